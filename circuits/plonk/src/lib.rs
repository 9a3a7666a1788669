//! halo2's prover over KZG and BN254, made for few cores and small witness values.
//!
//! Proofs are those of halo2's `create_proof` with SHPLONK, and halo2's own verifier checks them:
//! protocol, transcript and proof format are halo2's. What differs is speed: commitments know short
//! scalars (`msm`), transforms have their twiddle factors (`fft`), gates are compiled and
//! like terms merged (`program`), and the key's columns are transformed once for all proofs
//! ([`Prepared`]). Soundness does not rest on any of it: a wrong value gives a proof that the
//! verifier rejects. Zero knowledge rests on the blinding here, which is halo2's.
//!

mod commit;
mod fft;
mod instruction;
mod lanes;
mod lookup;
mod msm;
mod opening;
mod permutation;
mod program;
mod quotient;
mod witness;

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::bn256::{Bn256, Fr, G1Affine},
    plonk::{Any, Circuit, Error, ProvingKey},
    poly::kzg::commitment::ParamsKZG,
    transcript::{EncodedChallenge, TranscriptWrite},
};
use rand::RngCore;
use rayon::prelude::*;

pub use commit::CommitKey;
use instruction::{Kind, Query};
pub use opening::evaluate;
use opening::Opening;
pub use permutation::batch_invert;

use program::Program;
use quotient::Numerator;
pub use quotient::Prepared;

/// Coefficients of the random polynomial.
const RANDOM: usize = 16;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum PlonkError {
    /// The circuit has something that this prover does not know.
    #[error("the circuit cannot be proven: it has {0}")]
    Unsupported(&'static str),
    /// A cell outside the usable rows.
    #[error("the circuit assigns row {row}, which is not usable")]
    Row {
        /// The row.
        row: usize,
    },
    /// The statement does not fit the circuit.
    #[error("expected {expected} instance columns of at most {rows} values, got {got}")]
    Instances {
        /// Columns of the circuit.
        expected: usize,
        /// Usable rows.
        rows: usize,
        /// What was given.
        got: String,
    },
    /// A value that is looked up is in no table.
    #[error("the witness breaks a look-up: a value is not in its table")]
    Lookup,
    /// The circuit's own error.
    #[error("the circuit could not be filled: {0}")]
    Circuit(Error),
    /// The transcript could not be written.
    #[error("the proof could not be written: {0}")]
    Transcript(#[from] std::io::Error),
}

/// Proves `circuit` for `instances`.
///
/// 1. The transcript absorbs the key's digest and the instances.
/// 2. Phase by phase, the circuit fills its advice columns, which are blinded and committed to, and
///    challenges are drawn.
/// 3. Look-ups are arranged and committed to; with β, γ the grand products of permutation and look-ups.
/// 4. A random polynomial is committed to: it hides the quotient's value.
/// 5. With y all constraints become one; the pieces of its quotient are committed to.
/// 6. At a random x every polynomial is evaluated as the constraints read it.
/// 7. All these values are proven at once (`opening`).
///
/// # Errors
/// [`PlonkError`]; a witness that breaks a constraint is no error here, but gives a proof that does
/// not verify.
pub fn create_proof<C, R, E, T>(
    params: &ParamsKZG<Bn256>,
    pk: &ProvingKey<G1Affine>,
    prepared: &Prepared,
    circuit: &C,
    instances: &[&[Fr]],
    rng: R,
    transcript: &mut T,
) -> Result<(), PlonkError>
where
    C: Circuit<Fr>,
    R: RngCore,
    E: EncodedChallenge<G1Affine>,
    T: TranscriptWrite<G1Affine, E>,
{
    let domain = &prepared.domain;
    let n = domain.rows();
    let cs = pk.get_vk().cs();
    let blinding = cs.blinding_factors();
    let key = CommitKey::new(params)?;

    // 1. to 5.
    let committed = commit(&key, pk, prepared, circuit, instances, rng, transcript)?;
    let pieces = committed.numerator(pk).quotient(prepared)?;
    let views: Vec<&[Fr]> = pieces.iter().map(Vec::as_slice).collect();
    for point in key.commit_coefficients(&views) {
        transcript.write_point(point)?;
    }
    let Committed {
        advice,
        products,
        lookups,
        random,
        ..
    } = committed;

    // 6. In the order in which halo2's verifier reads the values, then asks for the openings.
    let x = *transcript.squeeze_challenge_scalar::<()>();
    let at = |rotation: i32| x * root_power(domain.omega, rotation, n);
    let xn = x.pow_vartime([n as u64]);
    let quotient = fold_pieces(&pieces, xn);
    let mut list = OpeningList::default();
    let advice_ids = list.polynomials(&advice);
    let product_ids = list.polynomials(&products);
    let fixed_ids = list.polynomials(pk.fixed_polys());
    let permutation_ids = list.polynomials(pk.permutation().polys());
    let lookup_ids: Vec<usize> = lookups
        .iter()
        .map(|columns| list.polynomials(columns))
        .collect();
    let [quotient_id, random_id] = [&quotient, &random].map(|p| list.polynomial(p));

    let last = -(blinding as i32 + 1);
    let of_advice = cs.advice_queries().iter();
    let of_advice =
        of_advice.map(|(column, rotation)| (advice_ids + column.index(), at(rotation.0)));
    let of_fixed = cs.fixed_queries().iter();
    let of_fixed = of_fixed.map(|(column, rotation)| (fixed_ids + column.index(), at(rotation.0)));
    let of_permutation = (0..pk.permutation().polys().len()).map(|i| (permutation_ids + i, x));
    let sets = products.len();
    let of_products = (0..sets).flat_map(|set| {
        let id = product_ids + set;
        let chained = (set + 1 < sets).then(|| (id, at(last)));
        [(id, x), (id, at(1))].into_iter().chain(chained)
    });
    let evaluations: Vec<(usize, Fr)> = of_advice
        .clone()
        .chain(of_fixed.clone())
        .chain([(random_id, x)])
        .chain(of_permutation.clone())
        .chain(of_products)
        .chain(lookup_ids.iter().flat_map(|first| {
            let [input, table, product] = [0, 1, 2].map(|i| first + i);
            [
                (product, x),
                (product, at(1)),
                (input, x),
                (input, at(-1)),
                (table, x),
            ]
        }))
        .collect();
    let values: Vec<Fr> = evaluations
        .par_iter()
        .map(|(id, point)| evaluate(list.all[*id], *point))
        .collect();
    for value in values {
        transcript.write_scalar(value)?;
    }

    // 7.
    let here_and_next = (0..sets).flat_map(|set| {
        let id = product_ids + set;
        [(id, x), (id, at(1))]
    });
    let chained = (0..sets.saturating_sub(1)).rev();
    let chained = chained.map(|set| (product_ids + set, at(last)));
    let openings: Vec<Opening<'_>> = of_advice
        .chain(here_and_next)
        .chain(chained)
        .chain(lookup_ids.iter().flat_map(|first| {
            let [input, table, product] = [0, 1, 2].map(|i| first + i);
            [
                (product, x),
                (input, x),
                (table, x),
                (input, at(-1)),
                (product, at(1)),
            ]
        }))
        .chain(of_fixed)
        .chain(of_permutation)
        .chain([(quotient_id, x), (random_id, x)])
        .map(|(id, point)| Opening {
            polynomial: list.all[id],
            id,
            point,
        })
        .collect();
    opening::open(&key, &openings, transcript)?;
    Ok(())
}

/// What is committed to before the quotient, all as coefficients, and the challenges up to there.
pub struct Committed {
    /// Columns of the witness.
    pub advice: Vec<Vec<Fr>>,
    instances: Vec<Vec<Fr>>,
    /// Grand products of the permutation.
    pub products: Vec<Vec<Fr>>,
    lookups: Vec<[Vec<Fr>; 3]>,
    random: Vec<Fr>,
    challenges: Vec<Fr>,
    theta: Fr,
    beta_gamma: [Fr; 2],
    y: Fr,
}

impl Committed {
    /// What the quotient is computed from.
    pub fn numerator<'a>(&'a self, pk: &'a ProvingKey<G1Affine>) -> Numerator<'a> {
        Numerator {
            pk,
            advice: &self.advice,
            instances: &self.instances,
            products: &self.products,
            lookups: &self.lookups,
            challenges: &self.challenges,
            theta: self.theta,
            beta_gamma: self.beta_gamma,
            y: self.y,
        }
    }
}

/// Steps 1 to 4 of [`create_proof`], and the challenge of step 5.
pub fn commit<C, R, E, T>(
    key: &CommitKey<'_>,
    pk: &ProvingKey<G1Affine>,
    prepared: &Prepared,
    circuit: &C,
    instances: &[&[Fr]],
    mut rng: R,
    transcript: &mut T,
) -> Result<Committed, PlonkError>
where
    C: Circuit<Fr>,
    R: RngCore,
    E: EncodedChallenge<G1Affine>,
    T: TranscriptWrite<G1Affine, E>,
{
    let cs = pk.get_vk().cs();
    let domain = &prepared.domain;
    let n = domain.rows();
    let blinding = cs.blinding_factors();
    check_instances(instances, cs.num_instance_columns(), n - (blinding + 1))?;

    // 1.
    pk.get_vk().hash_into(transcript)?;
    for value in instances.iter().copied().flatten() {
        transcript.common_scalar(*value)?;
    }

    // 2.
    let witness = witness::collect(cs, key, n, circuit, instances, &mut rng, transcript)?;
    let padded: Vec<Vec<Fr>> = instances
        .iter()
        .map(|values| {
            let mut column = values.to_vec();
            column.resize(n, Fr::ZERO);
            column
        })
        .collect();

    // 3.
    let theta = *transcript.squeeze_challenge_scalar::<()>();
    let lookups = arrange_lookups(pk, &witness, &padded, theta, n - (blinding + 1), &mut rng)?;
    let columns: Vec<&[Fr]> = lookups
        .iter()
        .flat_map(|lookup| [&lookup.permuted_input[..], &lookup.permuted_table])
        .collect();
    for point in key.commit_values(&columns) {
        transcript.write_point(point)?;
    }
    let beta_gamma = [(); 2].map(|()| *transcript.squeeze_challenge_scalar::<()>());
    let sets = permutation_sets(pk, &witness.advice, &padded);
    let mut products =
        permutation::products(&sets, n, domain.omega, beta_gamma, blinding, &mut rng);
    let mut lookups: Vec<[Vec<Fr>; 3]> = lookups
        .into_iter()
        .map(|lookup| {
            let product = lookup.product(beta_gamma, blinding, &mut rng);
            [lookup.permuted_input, lookup.permuted_table, product]
        })
        .collect();
    let of_lookups = lookups.iter().map(|[_, _, product]| product);
    let columns: Vec<&[Fr]> = products
        .iter()
        .chain(of_lookups)
        .map(Vec::as_slice)
        .collect();
    for point in key.commit_products(&columns) {
        transcript.write_point(point)?;
    }

    // 4. Two things become known of it, commitment and value: a few coefficients hide both.
    let mut random: Vec<Fr> = (0..RANDOM.min(n)).map(|_| Fr::random(&mut rng)).collect();
    random.resize(n, Fr::ZERO);
    for point in key.commit_coefficients(&[&random]) {
        transcript.write_point(point)?;
    }

    // 5.
    let y = *transcript.squeeze_challenge_scalar::<()>();
    let (mut advice, mut padded) = (witness.advice, padded);
    for columns in [&mut advice, &mut padded, &mut products] {
        columns
            .par_iter_mut()
            .for_each(|column| domain.interpolate(column));
    }
    lookups
        .par_iter_mut()
        .flatten()
        .for_each(|column| domain.interpolate(column));
    Ok(Committed {
        advice,
        instances: padded,
        products,
        lookups,
        random,
        challenges: witness.challenges,
        theta,
        beta_gamma,
        y,
    })
}

fn check_instances(instances: &[&[Fr]], expected: usize, rows: usize) -> Result<(), PlonkError> {
    if instances.len() == expected && instances.iter().all(|column| column.len() <= rows) {
        return Ok(());
    }
    let lengths: Vec<usize> = instances.iter().map(|column| column.len()).collect();
    Err(PlonkError::Instances {
        expected,
        rows,
        got: format!("{} of lengths {lengths:?}", instances.len()),
    })
}

/// The columns of all look-ups.
fn arrange_lookups(
    pk: &ProvingKey<G1Affine>,
    witness: &witness::Witness,
    instances: &[Vec<Fr>],
    theta: Fr,
    usable: usize,
    rng: &mut impl RngCore,
) -> Result<Vec<lookup::Lookup>, PlonkError> {
    let column = |query: Query| match query.kind {
        Kind::Fixed => &pk.fixed_values()[query.column][..],
        Kind::Advice => &witness.advice[query.column],
        Kind::Instance => &instances[query.column],
    };
    let rows = pk.get_vk().get_domain().get_n() as usize;
    let side = |expressions| {
        Program::folded(expressions, &witness.challenges, theta)
            .map(|program| program.column(rows, &column))
            .ok_or(PlonkError::Unsupported(
                "a selector or an unknown challenge",
            ))
    };
    let lookups = pk.get_vk().cs().lookups().iter();
    lookups
        .map(|lookup| {
            let (input, table) = (lookup.input_expressions(), lookup.table_expressions());
            let (input, table) = (side(input)?, side(table)?);
            lookup::Lookup::new(input, table, usable, rng).map_err(|_| PlonkError::Lookup)
        })
        .collect()
}

/// The permuted columns, as many in a set as the degree admits.
fn permutation_sets<'a>(
    pk: &'a ProvingKey<G1Affine>,
    advice: &'a [Vec<Fr>],
    instances: &'a [Vec<Fr>],
) -> Vec<permutation::Set<'a>> {
    let cs = pk.get_vk().cs();
    let in_set = cs.degree() - 2;
    let columns = cs.permutation().get_columns();
    columns
        .chunks(in_set)
        .zip(pk.permutation().permutations().chunks(in_set))
        .enumerate()
        .map(|(set, (columns, permutations))| permutation::Set {
            first: set * in_set,
            values: columns
                .iter()
                .map(|column| match column.column_type() {
                    Any::Advice(_) => &advice[column.index()][..],
                    Any::Fixed => &pk.fixed_values()[column.index()][..],
                    Any::Instance => &instances[column.index()][..],
                })
                .collect(),
            permutations: permutations.iter().map(|values| &values[..]).collect(),
        })
        .collect()
}

/// ω^rotation.
fn root_power(omega: Fr, rotation: i32, rows: usize) -> Fr {
    let exponent = i64::from(rotation).rem_euclid(rows as i64);
    omega.pow_vartime([exponent as u64])
}

/// Σᵢ x^(n·i)·hᵢ.
fn fold_pieces(pieces: &[Vec<Fr>], xn: Fr) -> Vec<Fr> {
    let length = pieces.first().map_or(0, Vec::len);
    (0..length)
        .into_par_iter()
        .map(|l| {
            let coefficients = pieces.iter().rev().map(|piece| piece[l]);
            coefficients.fold(Fr::ZERO, |sum, coefficient| sum * xn + coefficient)
        })
        .collect()
}

/// Numbers polynomials.
#[derive(Default)]
struct OpeningList<'a> {
    all: Vec<&'a [Fr]>,
}

impl<'a> OpeningList<'a> {
    /// The number of the first of them; the others follow.
    fn polynomials<P: std::ops::Deref<Target = [Fr]>>(&mut self, polynomials: &'a [P]) -> usize {
        let first = self.all.len();
        self.all.extend(polynomials.iter().map(|p| &p[..]));
        first
    }

    fn polynomial(&mut self, polynomial: &'a [Fr]) -> usize {
        self.all.push(polynomial);
        self.all.len() - 1
    }
}
