//! Proofs of whole models through the public interface: accepted as they are, rejected with
//! anything changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};
use zkml_files::{read_container, write_container, Kind};
use zkml_graph::Visibility;
use zkml_import as import;
use zkml_import::{inputs, ImportOptions};
use zkml_model::{
    layout::{Plan, Visibilities},
    planner::Goal,
    prove::{
        protocol, prove, Architecture, Exposure, Keys, Opening, Proof, ProveError, Request,
        Transcript, Verifier, Word,
    },
};
use zkml_srs::{FileDigest, Provenance, Srs, Trust};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn digits() -> [PathBuf; 2] {
    ["model.onnx", "seven.png"].map(|name| root().join("examples/digits").join(name))
}

struct Case {
    architecture: Architecture,
    plan: Arc<Plan>,
    srs: Srs,
    keys: Keys,
    opening: Opening,
    request: Request,
    proof: Proof,
    salts: Vec<Word>,
}

impl Case {
    fn new([model, input]: [PathBuf; 2], visibilities: Visibilities) -> Self {
        let model = import::load(&model, &ImportOptions::default()).unwrap();
        let inputs = inputs::load(&input, &model.graph, &model.source).unwrap();
        let (architecture, plan) =
            Architecture::new(model.graph, model.source, visibilities, Goal::Prove).unwrap();
        let srs = Srs::development_from_seed(plan.shape.k, [5; 32], &|_, _| ()).unwrap();
        let keys = Keys::new(&plan, &srs).unwrap();
        let opening = Opening::new(model.weights);
        let request = Request {
            inputs,
            context: Fr::from(77),
            transcript: Transcript::Poseidon,
        };
        let (proof, salts) = prove(&architecture, &plan, &srs, &keys, &opening, &request).unwrap();
        Self {
            architecture,
            plan,
            srs,
            keys,
            opening,
            request,
            proof,
            salts,
        }
    }

    /// The digit example with public input and output, proven once.
    fn shared() -> &'static Self {
        static CASE: OnceLock<Case> = OnceLock::new();
        CASE.get_or_init(|| Self::new(digits(), Visibilities::default()))
    }

    fn verify(&self, proof: &Proof) -> Result<(), ProveError> {
        proof.verify(&self.plan.statement.form, &self.srs, self.keys.pk.get_vk())
    }

    fn rejects(&self, what: &str, change: impl FnOnce(&mut Proof)) {
        let mut proof = self.proof.clone();
        change(&mut proof);
        assert_ne!(proof, self.proof, "{what} changes nothing");
        match self.verify(&proof) {
            Err(ProveError::Rejected(_)) => {}
            other => panic!("{what}: {other:?}"),
        }
    }
}

fn public(exposure: &mut Exposure) -> &mut Vec<i64> {
    match exposure {
        Exposure::Public(values) => values,
        other => panic!("{other:?} is not public"),
    }
}

/// Known answer of zkml's MNIST model, bit for bit, inside the proof's statement.
#[test]
fn mnist_known_answer() {
    let shared = std::env::var_os("ZKML_SHARED")
        .map_or_else(|| root().join("../shared"), PathBuf::from)
        .join("data/zkml/mnist");
    if !shared.exists() {
        println!("skipped: {} is absent", shared.display());
        return;
    }
    let files = ["model.msgpack", "inp.msgpack"].map(|name| shared.join(name));
    let mut case = Case::new(files, Visibilities::default());
    let expected = [
        -5312, -8056, -8186, -1669, -4260, 6614, -5131, -6862, -3047, -805,
    ];
    assert_eq!(public(&mut case.proof.statement.outputs[0]), &expected);
    case.verify(&case.proof).unwrap();
    case.rejects("another logit", |proof| {
        public(&mut proof.statement.outputs[0])[5] += 1;
    });
}

#[test]
fn anything_changed_is_rejected() {
    let case = Case::shared();
    case.verify(&case.proof).unwrap();
    case.rejects("another pixel", |proof| {
        public(&mut proof.statement.inputs[0])[300] ^= 1;
    });
    case.rejects("another logit", |proof| {
        public(&mut proof.statement.outputs[0])[7] -= 1;
    });
    case.rejects("another commitment", |proof| {
        proof.statement.commitment.0 += Fr::ONE;
    });
    case.rejects("another context", |proof| {
        proof.statement.context.0 += Fr::ONE;
    });
    case.rejects("a byte more", |proof| proof.argument.push(0));
    case.rejects("a byte less", |proof| {
        proof.argument.pop();
    });
    case.rejects("nothing", |proof| proof.argument.clear());
    case.rejects("another key's name", |proof| {
        proof.verifying_key.0 += Fr::ONE;
    });
}

/// halo2 takes the number of rows from the SRS and their root of unity from the key: both must be of one size.
#[test]
fn an_srs_of_another_size_is_an_error() {
    let case = Case::shared();
    let (form, vk, k) = (
        &case.plan.statement.form,
        case.keys.pk.get_vk(),
        case.srs.k(),
    );
    for other in [1, k - 1, k + 1] {
        let srs = Srs::development_from_seed(other, [5; 32], &|_, _| ()).unwrap();
        assert_eq!(srs.fingerprint(), case.srs.fingerprint());
        let expected = format!("of 2^{k} rows, the SRS of 2^{other}");
        for got in [
            case.proof.verify(form, &srs, vk),
            protocol(&srs.params, vk, form.instances).map(drop),
        ] {
            match got {
                Err(ProveError::Invalid(text)) => assert!(text.contains(&expected), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }
    case.verify(&case.proof).unwrap();
}

/// One bit of every 32-byte element of the argument.
#[test]
fn every_element_of_the_argument_counts() {
    let case = Case::shared();
    for element in 0..case.proof.argument.len() / 32 {
        case.rejects(&format!("element {element}"), |proof| {
            proof.argument[32 * element + element % 31] ^= 1 << (element % 8);
        });
    }
}

/// Values that have no place in the statement are errors, not rejections: nothing is checked.
#[test]
fn statements_that_cannot_be() {
    let case = Case::shared();
    let check = |change: &dyn Fn(&mut Proof), expected: &str| {
        let mut proof = case.proof.clone();
        change(&mut proof);
        match case.verify(&proof) {
            Err(ProveError::Invalid(text)) => assert!(text.contains(expected), "{text}"),
            other => panic!("{other:?}"),
        }
    };
    check(
        &|p| public(&mut p.statement.inputs[0])[3] = 1 << 40,
        "element 3",
    );
    check(
        &|p| {
            public(&mut p.statement.inputs[0]).pop();
        },
        "expected 784 values",
    );
    check(&|p| p.statement.outputs.clear(), "has 0 outputs");
    check(
        &|p| p.statement.inputs[0] = Exposure::Private,
        "expected it public",
    );
}

/// Two proofs of one statement share no element, and the commitment hides behind its salt.
#[test]
fn proofs_are_blinded_and_the_commitment_salted() {
    let case = Case::shared();
    let again = prove(
        &case.architecture,
        &case.plan,
        &case.srs,
        &case.keys,
        &case.opening,
        &case.request,
    )
    .unwrap()
    .0;
    assert_eq!(again.statement, case.proof.statement);
    let elements =
        |proof: &Proof| -> Vec<Vec<u8>> { proof.argument.chunks(32).map(<[u8]>::to_vec).collect() };
    let (first, second) = (elements(&case.proof), elements(&again));
    // Neither a commitment nor an evaluation repeats.
    assert!(first.iter().all(|element| !second.contains(element)));
    let resalted = Opening::new(case.opening.weights.clone());
    let other = prove(
        &case.architecture,
        &case.plan,
        &case.srs,
        &case.keys,
        &resalted,
        &case.request,
    )
    .unwrap()
    .0;
    assert_ne!(other.statement.commitment, case.proof.statement.commitment);
    case.verify(&other).unwrap();
}

/// What a prover is told of weights that do not fit has none of their values.
#[test]
fn errors_show_no_weight() {
    let case = Case::shared();
    let tensors: Vec<_> = case.opening.weights.keys().copied().collect();
    for (tensor, other) in tensors
        .iter()
        .flat_map(|id| [(id, 987_654_321), (id, -77_777_777)])
    {
        let mut weights = case.opening.weights.clone();
        *weights.get_mut(tensor).unwrap().last_mut().unwrap() = other;
        let error = prove(
            &case.architecture,
            &case.plan,
            &case.srs,
            &case.keys,
            &Opening::new(weights),
            &case.request,
        )
        .unwrap_err();
        for text in [format!("{error}"), format!("{error:?}")] {
            let digits = other.to_string();
            assert!(!text.contains(digits.trim_start_matches('-')), "{text}");
        }
    }
}

/// Keys depend on the architecture only: other weights of the same widths, same key.
#[test]
fn keys_do_not_depend_on_weights() {
    let case = Case::shared();
    let mut weights = case.opening.weights.clone();
    for values in weights.values_mut() {
        values.iter_mut().for_each(|value| *value /= 2);
    }
    let other = Opening::new(weights);
    let (proof, _) = prove(
        &case.architecture,
        &case.plan,
        &case.srs,
        &case.keys,
        &other,
        &case.request,
    )
    .unwrap();
    case.verify(&proof).unwrap();
    assert_ne!(proof.statement.outputs, case.proof.statement.outputs);
    let again = Keys::new(&case.architecture.plan().unwrap(), &case.srs).unwrap();
    assert_eq!(again.digest(), case.keys.digest());
}

/// A proof for one architecture under the key of another.
#[test]
fn hashed_and_private_tensors_and_other_keys() {
    let hidden = Visibilities {
        inputs: vec![Visibility::Hashed],
        outputs: vec![Visibility::Private],
    };
    let case = Case::new(digits(), hidden);
    case.verify(&case.proof).unwrap();
    assert_eq!(case.salts.len(), 1);
    assert!(matches!(
        case.proof.statement.inputs[0],
        Exposure::Hashed(_)
    ));
    assert_eq!(case.proof.statement.outputs[0], Exposure::Private);
    case.rejects("another digest", |proof| {
        proof.statement.inputs[0] = Exposure::Hashed(Word(Fr::from(3)));
    });
    let other = Case::shared();
    let result = other.proof.verify(
        &other.plan.statement.form,
        &other.srs,
        case.keys.pk.get_vk(),
    );
    assert!(matches!(result, Err(ProveError::Rejected(_))), "{result:?}");
}

/// Files: round trips, and every kind of damage is an error that names the file.
#[test]
fn artefacts_on_disk() {
    let case = Case::shared();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    case.architecture.save(&at("config.json")).unwrap();
    case.keys.save(&at("proving.key")).unwrap();
    case.keys.save_verifier(&at("verifying.key")).unwrap();
    case.opening.save(&at("weights.opening")).unwrap();
    case.proof.save(&at("proof.zkml")).unwrap();

    let architecture = Architecture::load(&at("config.json")).unwrap();
    assert_eq!(architecture, case.architecture);
    let keys = Keys::load(&at("proving.key"), &architecture).unwrap();
    let verifier = Verifier::load(&at("verifying.key"), &architecture).unwrap();
    assert_eq!(keys.digest(), verifier.digest());
    assert_eq!(Proof::load(&at("proof.zkml")).unwrap(), case.proof);
    let opening = Opening::load(&at("weights.opening")).unwrap();
    let plan = architecture.plan().unwrap();
    let (proof, _) = prove(
        &architecture,
        &plan,
        &case.srs,
        &keys,
        &opening,
        &case.request,
    )
    .unwrap();
    assert_eq!(proof.statement, case.proof.statement);
    proof
        .verify(&plan.statement.form, &case.srs, &verifier.vk)
        .unwrap();

    let damage = |name: &str, load: &dyn Fn(&Path) -> Option<String>| {
        let bytes = std::fs::read(at(name)).unwrap();
        let bad = at("bad");
        for cut in [0, 3, 20, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&bad, &bytes[..cut]).unwrap();
            let error = load(&bad).unwrap_or_else(|| panic!("{name} cut at {cut} loads"));
            assert!(error.contains("bad"), "{error}");
        }
        for place in (0..bytes.len()).step_by(bytes.len() / 12 + 1) {
            let mut flipped = bytes.clone();
            flipped[place] ^= 0x10;
            std::fs::write(&bad, flipped).unwrap();
            let error = load(&bad).unwrap_or_else(|| panic!("{name} flipped at {place} loads"));
            assert!(error.contains("bad"), "{error}");
        }
    };
    let text = |error: ProveError| error.to_string();
    damage("proving.key", &|p| {
        Keys::load(p, &architecture).err().map(text)
    });
    damage("verifying.key", &|p| {
        Verifier::load(p, &architecture).err().map(text)
    });
    // A commitment that is the identity: on the curve, by halo2curves, and that of no column.
    for (name, kind) in [
        ("verifying.key", Kind::VerifyingKey),
        ("proving.key", Kind::ProvingKey),
    ] {
        let mut payload = read_container(&at(name), kind, 2).unwrap();
        let label = u32::from_le_bytes(payload[32..36].try_into().unwrap()) as usize;
        let third = 36 + label + 10 + 2 * 64;
        payload[third..third + 64].fill(0);
        write_container(&at("bad"), kind, 2, &mut |out| out.write_all(&payload)).unwrap();
        let got = match kind {
            Kind::ProvingKey => Keys::load(&at("bad"), &architecture).err(),
            _ => Verifier::load(&at("bad"), &architecture).err(),
        };
        let got = text(got.unwrap());
        assert!(got.contains("commitment 2 is the identity"), "{got}");
    }
    // A provenance that belongs to another SRS than the key's.
    let of = |fingerprint| Provenance::Ceremony {
        name: "c.ptau".into(),
        digest: FileDigest([1; 64]),
        fingerprint,
        accepted: true,
    };
    let mut labelled = Keys::load(&at("proving.key"), &architecture).unwrap();
    let label = at("labelled.key");
    labelled.provenance = of(labelled.srs);
    labelled.save_verifier(&label).unwrap();
    let read = Verifier::load(&label, &architecture).unwrap();
    assert_eq!(read.provenance.trust(), Trust::Unverified);
    labelled.provenance = of([1; 32]);
    labelled.save_verifier(&label).unwrap();
    let got = Verifier::load(&label, &architecture).err().map(text);
    assert!(got.unwrap().contains("provenance of another SRS"));
    damage("weights.opening", &|p| Opening::load(p).err().map(text));
    // A file's length says nothing of the weights in it.
    let mut others = case.opening.clone();
    let values = others.weights.values_mut().flatten();
    for (at, value) in values.enumerate() {
        *value = [0, -1, 40, 5000, i64::MAX][at % 5];
    }
    others.save(&at("others.opening")).unwrap();
    let length = |name| std::fs::metadata(at(name)).unwrap().len();
    assert_eq!(length("weights.opening"), length("others.opening"));
    let read = Opening::load(&at("others.opening")).unwrap();
    assert!(read.weights == others.weights && read.salt == others.salt);
    damage("proof.zkml", &|p| Proof::load(p).err().map(text));
}
