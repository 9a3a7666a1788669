//! The words of a batch's calldata, cut in every other way: what the typed front accepts is the honest cut.
//!
//! The verifier is a stand-in that accepts one calldata, byte for byte: whatever is cut, its words are honest ones, and
//! only the front can say no. The models are the attacker's to choose: their key digests and commitments are whatever
//! words a piece begins with, the rest are hashed tensors, and the slots that they claim are true or not.
#![allow(dead_code, clippy::unwrap_used)]

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};
use rand::{rngs::StdRng, seq::SliceRandom, Rng, SeedableRng};
use std::collections::HashSet;
use zkml_evm_verifier::{
    chain::{keccak256, Address, B256},
    contracts::model_verifier,
    exec::{Chain, Fork},
    front::{
        batch_call, model_id, register_call, verify_call, word, IModelVerifier,
        IModelVerifier::{Model, Tensor, Visibility},
        Inference,
    },
};

/// Words of the accumulator, which come in front of a proof.
const ACCUMULATOR: usize = 12;
/// Words of the argument.
const ARGUMENT: usize = 5;
/// Digest, commitment and context: the least that a statement has.
const LEAST: usize = 3;

/// What was tried, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Calls.
    pub cases: usize,
    /// Those accepted in the name of a model whose id has the verifier's slots.
    pub accepted: usize,
    /// Those that are the honest one.
    pub honest: usize,
    /// Those accepted in the name of ids alone that say something else of the verifier: nobody pins one.
    pub misnamed: usize,
}

/// A call: pieces of the words, one after another, each claiming slots. What is left over is in `proof`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cut {
    /// Words in front of the first statement, in `proof`: those of the accumulator in the honest call.
    head: usize,
    /// Words of each statement, and the slots that its model is registered with.
    pieces: Vec<(usize, Vec<u16>)>,
    /// As one statement by `verify`, not by `verifyBatch`.
    single: bool,
}

/// A front, a verifier of these slots, and the one calldata that it accepts.
pub struct Batch {
    chain: Chain,
    front: Address,
    verifier: Address,
    code_hash: B256,
    slots: Vec<u16>,
    words: Vec<Fr>,
    known: HashSet<B256>,
    pub count: Count,
}

/// Code that returns the word 1 for calldata of this hash, and else reverts with `InvalidProof()`.
fn stand_in(accepted: B256) -> Vec<u8> {
    let invalid = keccak256("InvalidProof()");
    [
        // keccak256(calldata) == accepted
        &[0x36, 0x5f, 0x5f, 0x37, 0x36, 0x5f, 0x20, 0x7f][..],
        accepted.as_slice(),
        &[0x14, 0x60, 0x3a, 0x57, 0x63],
        &invalid[..4],
        &[0x60, 0xe0, 0x1b, 0x5f, 0x52, 0x60, 4, 0x5f, 0xfd],
        &[0x5b, 0x60, 1, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3],
    ]
    .concat()
}

fn bytes(words: &[Fr]) -> Vec<u8> {
    let words = words.iter().map(|value| word(*value).to_be_bytes::<32>());
    words.flatten().collect()
}

impl Batch {
    pub fn new(slots: &[u16], rng: &mut StdRng) -> Self {
        let total: usize = slots.iter().map(|slot| usize::from(*slot)).sum();
        let words = (0..ACCUMULATOR + total + ARGUMENT).map(|_| Fr::random(&mut *rng));
        let words: Vec<Fr> = words.collect();
        let code = stand_in(keccak256(bytes(&words)));
        let mut chain = Chain::new(Fork::Osaka);
        let front = chain.deploy(&model_verifier().unwrap().creation()).unwrap();
        let verifier = Address::repeat_byte(7);
        chain.set_code(verifier, &code);
        Self {
            front: front.address,
            code_hash: keccak256(&code),
            known: HashSet::new(),
            slots: slots.to_vec(),
            count: Count::default(),
            chain,
            verifier,
            words,
        }
    }

    fn honest(&self) -> Cut {
        let pieces = self.slots.iter();
        Cut {
            head: ACCUMULATOR,
            pieces: pieces
                .map(|slot| (usize::from(*slot), self.slots.clone()))
                .collect(),
            single: self.slots.len() == 1,
        }
    }

    /// The id of a model whose statement is these words, registered if the front takes it.
    fn inference(&mut self, words: &[Fr], slots: &[u16]) -> Inference {
        let hashed = Tensor {
            visibility: Visibility::Hashed,
            elements: 0,
            lo: 0,
            bits: 0,
            words: 0,
        };
        let model = Model {
            verifier: self.verifier,
            codeHash: self.code_hash,
            mode: IModelVerifier::Mode::Aggregated,
            slots: slots.to_vec(),
            keyDigest: word(words[0]),
            commitment: word(words[1]),
            inputs: vec![hashed; words.len() - LEAST],
            outputs: vec![],
        };
        let id = model_id(&model);
        if self.known.insert(id) {
            // Where the front refuses it, the call below names an unknown model.
            self.chain.call(self.front, &register_call(&model)).unwrap();
        }
        Inference {
            model_id: id,
            context: words[2],
            input: bytes(&words[LEAST..]),
            output: vec![],
        }
    }

    /// Makes the call, and counts it.
    fn attempt(&mut self, cut: &Cut) {
        let honest = self.honest();
        let words = self.words.clone();
        let mut at = cut.head;
        let mut inferences = Vec::new();
        for (size, slots) in &cut.pieces {
            inferences.push(self.inference(&words[at..at + size], slots));
            at += size;
        }
        let proof = bytes(&[&words[..cut.head], &words[at..]].concat());
        let call = match (cut.single, inferences.as_slice()) {
            (true, [one]) => verify_call(one, &proof, false),
            (_, all) => batch_call(all, &proof, false),
        };
        let returned = self.chain.call(self.front, &call).unwrap().returned;
        let named = cut.pieces.iter().any(|(_, slots)| *slots == self.slots);
        let is_honest = honest.head == cut.head && honest.pieces == cut.pieces;
        self.count.cases += 1;
        self.count.accepted += usize::from(returned && named);
        self.count.misnamed += usize::from(returned && !named);
        self.count.honest += usize::from(is_honest);
        assert!(!returned || !named || is_honest, "accepted: {cut:?}");
        assert!(!is_honest || returned, "refused: {cut:?}");
    }

    /// Every cut of the statements' words, with all that is behind the last one moved into the proof; each with
    /// slots that are the verifier's, the cut's, or of some models these and of the others those.
    pub fn every_cut(&mut self) {
        let total: usize = self.slots.iter().map(|slot| usize::from(*slot)).sum();
        let mut stack = vec![Vec::new()];
        while let Some(sizes) = stack.pop() {
            let used: usize = sizes.iter().sum();
            for next in LEAST..=total - used {
                stack.push([sizes.as_slice(), &[next]].concat());
            }
            let claimed: Vec<u16> = sizes.iter().map(|size| *size as u16).collect();
            let count = sizes.len();
            // Which of the models claim the verifier's slots.
            for claims in 0..1 << count {
                let pieces = sizes.iter().enumerate().map(|(i, size)| {
                    let own = claims >> i & 1 == 1;
                    (*size, if own { &self.slots } else { &claimed }.clone())
                });
                let mut cut = Cut {
                    head: ACCUMULATOR,
                    pieces: pieces.collect(),
                    single: false,
                };
                self.attempt(&cut);
                if count == 1 {
                    cut.single = true;
                    self.attempt(&cut);
                }
            }
        }
    }

    /// A cut at random places, the accumulator's and the argument's words among them.
    fn random(&self, rng: &mut StdRng) -> Cut {
        let head = match rng.gen_ratio(1, 8) {
            true => rng.gen_range(0..ACCUMULATOR),
            false => ACCUMULATOR,
        };
        let mut left = self.words.len() - head;
        if head == ACCUMULATOR && rng.gen_ratio(7, 8) {
            left -= ARGUMENT;
        }
        let mut sizes = Vec::new();
        while left >= LEAST && !rng.gen_ratio(1, 12) {
            let slot = self
                .slots
                .choose(rng)
                .map_or(LEAST, |slot| usize::from(*slot));
            let size = match rng.gen_ratio(1, 2) {
                true => slot.min(left),
                false => rng.gen_range(LEAST..=left.min(12)),
            };
            sizes.push(size);
            left -= size;
        }
        let claimed: Vec<u16> = sizes.iter().map(|size| *size as u16).collect();
        let mut shuffled = self.slots.clone();
        shuffled.shuffle(rng);
        let lies = [
            claimed,
            shuffled,
            self.slots[..self.slots.len() - 1].to_vec(),
        ];
        let single = sizes.len() == 1 && rng.gen();
        let pieces = sizes.into_iter().map(|size| {
            let lie = rng.gen_ratio(1, 3);
            let slots = lies.choose(rng).filter(|_| lie).unwrap_or(&self.slots);
            (size, slots.clone())
        });
        Cut {
            head,
            pieces: pieces.collect(),
            single,
        }
    }
}

/// Random cuts of random batches of 1 to 4, so many beside the honest ones.
pub fn random_cuts(others: usize) -> Count {
    let mut rng = StdRng::seed_from_u64(13);
    let mut all = Count::default();
    while all.cases < others + all.honest {
        let slots: Vec<u16> = (0..rng.gen_range(1..=4))
            .map(|_| rng.gen_range(LEAST as u16..=9))
            .collect();
        let mut batch = Batch::new(&slots, &mut rng);
        let honest = batch.honest();
        batch.attempt(&honest);
        for _ in 0..200 {
            let cut = batch.random(&mut rng);
            batch.attempt(&cut);
        }
        all.cases += batch.count.cases;
        all.accepted += batch.count.accepted;
        all.honest += batch.count.honest;
        all.misnamed += batch.count.misnamed;
    }
    all
}
