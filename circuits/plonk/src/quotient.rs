//! The quotient h = (Σᵢ yⁱ·constraintᵢ)/(X^n − 1), by evaluation on cosets of the domain.
//!
//! A quotient of degree below q·n is determined by its values on q cosets s_p·⟨ω⟩. On one of them
//! X^n is the constant τ_p = s_p^n, so with h = Σᵢ X^(n·i)·hᵢ
//!
//! ```text
//! h(s_p·X) = Σᵢ τ_pⁱ·hᵢ(s_p·X)   on the domain:
//! ```
//!
//! one interpolation for each coset, and a q × q Vandermonde system for each coefficient, give the
//! pieces hᵢ. One coset is held in memory at a time.

use halo2_proofs::{
    arithmetic::{lagrange_interpolate, Field},
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::{PrimeField, WithSmallOrderMulGroup},
    },
    plonk::{Any, ProvingKey},
};
use rayon::prelude::*;

use super::{
    fft::{scale_by_powers, Domain, Shift},
    instruction::{rotated, Kind, Query},
    lanes::Ifma,
    opening::add_scaled,
    permutation::{powers, window, Factors, Step},
    program::{Program, TASK},
    PlonkError,
};

/// The key's columns on all cosets are kept if they take at most so many bytes.
const KEPT: usize = 256 << 20;

/// What a key's proofs share: roots of unity, and the key's columns on the cosets.
#[derive(Debug)]
pub struct Prepared {
    /// The domain of the rows.
    pub domain: Domain,
    shifts: Vec<Shift>,
    kept: Option<Vec<KeyCoset>>,
}

/// The key's polynomials on one coset.
#[derive(Debug)]
struct KeyCoset {
    fixed: Vec<Vec<Fr>>,
    permutations: Vec<Vec<Fr>>,
    /// Of the first row, the last usable one, and all usable ones before it.
    rows: [Vec<Fr>; 3],
}

impl KeyCoset {
    fn new(pk: &ProvingKey<G1Affine>, domain: &Domain, shift: &Shift) -> Self {
        let on_coset = |polynomials: Vec<&[Fr]>| {
            let mut columns = room(polynomials.len(), domain);
            evaluate_all(domain, &polynomials, shift, &mut columns);
            columns
        };
        let on_one = |polynomial: &[Fr]| {
            let mut values = vec![Fr::ZERO; domain.rows()];
            domain.evaluate_on_coset(polynomial, shift, &mut values);
            values
        };
        let permutations = pk.permutation().polys().iter();
        Self {
            fixed: on_coset(pk.fixed_polys().iter().map(|p| &p[..]).collect()),
            permutations: on_coset(permutations.map(|p| &p[..]).collect()),
            rows: [pk.l0(), pk.l_last(), pk.l_active_row()].map(|p| on_one(p)),
        }
    }
}

/// Columns to be filled.
fn room(count: usize, domain: &Domain) -> Vec<Vec<Fr>> {
    vec![vec![Fr::ZERO; domain.rows()]; count]
}

/// The values of polynomials on a coset.
fn evaluate_all<P>(domain: &Domain, polynomials: &[P], shift: &Shift, columns: &mut [Vec<Fr>])
where
    P: std::ops::Deref<Target = [Fr]> + Sync,
{
    let pairs = polynomials.par_iter().zip(columns);
    pairs.for_each(|(polynomial, values)| domain.evaluate_on_coset(polynomial, shift, values));
}

impl Prepared {
    /// Prepares a key.
    pub fn new(pk: &ProvingKey<G1Affine>) -> Self {
        let halo2 = pk.get_vk().get_domain();
        let domain = Domain::new(halo2.k());
        let pieces = halo2.get_quotient_poly_degree();
        // Cosets of different cubes of unity and of higher roots of two: all distinct.
        let step = halo2.get_extended_omega();
        let shifts: Vec<Shift> = (0..pieces as u64)
            .map(|p| <Fr as WithSmallOrderMulGroup<3>>::ZETA * step.pow_vartime([p]))
            .map(|by| domain.shift(by))
            .collect();
        let polynomials = pk.fixed_polys().len() + pk.permutation().polys().len() + 3;
        let bytes = shifts.len() * polynomials * domain.rows() * size_of::<Fr>();
        let kept = (bytes <= KEPT).then(|| {
            let on = |shift: &Shift| KeyCoset::new(pk, &domain, shift);
            shifts.iter().map(on).collect()
        });
        Self {
            domain,
            shifts,
            kept,
        }
    }
}

/// What a proof's quotient is computed from, all as coefficients.
pub struct Numerator<'a> {
    /// The key.
    pub pk: &'a ProvingKey<G1Affine>,
    /// Advice.
    pub advice: &'a [Vec<Fr>],
    /// Instances.
    pub instances: &'a [Vec<Fr>],
    /// Grand products of the permutation.
    pub products: &'a [Vec<Fr>],
    /// For each look-up A', S' and the grand product.
    pub lookups: &'a [[Vec<Fr>; 3]],
    /// The circuit's challenges.
    pub challenges: &'a [Fr],
    /// Combines the expressions of a look-up.
    pub theta: Fr,
    /// Challenges of permutation and look-ups.
    pub beta_gamma: [Fr; 2],
    /// Combines constraints.
    pub y: Fr,
}

/// A proof's polynomials on one coset.
struct ProofCoset {
    advice: Vec<Vec<Fr>>,
    instances: Vec<Vec<Fr>>,
    products: Vec<Vec<Fr>>,
    lookups: Vec<[Vec<Fr>; 3]>,
}

impl ProofCoset {
    /// Room that every coset's values take in turn: fresh memory costs more than they do.
    fn new(numerator: &Numerator<'_>, domain: &Domain) -> Self {
        let room = |polynomials: &[Vec<Fr>]| room(polynomials.len(), domain);
        let three = || [(); 3].map(|()| vec![Fr::ZERO; domain.rows()]);
        Self {
            advice: room(numerator.advice),
            instances: room(numerator.instances),
            products: room(numerator.products),
            lookups: numerator.lookups.iter().map(|_| three()).collect(),
        }
    }

    fn fill(&mut self, numerator: &Numerator<'_>, domain: &Domain, shift: &Shift) {
        for (polynomials, columns) in [
            (numerator.advice, &mut self.advice),
            (numerator.instances, &mut self.instances),
            (numerator.products, &mut self.products),
        ] {
            evaluate_all(domain, polynomials, shift, columns);
        }
        for (polynomials, columns) in numerator.lookups.iter().zip(&mut self.lookups) {
            evaluate_all(domain, polynomials, shift, columns);
        }
    }
}

/// One coset of all polynomials.
struct Coset<'a> {
    key: &'a KeyCoset,
    proof: &'a ProofCoset,
}

impl Coset<'_> {
    fn column(&self, query: Query) -> &[Fr] {
        match query.kind {
            Kind::Fixed => &self.key.fixed[query.column],
            Kind::Advice => &self.proof.advice[query.column],
            Kind::Instance => &self.proof.instances[query.column],
        }
    }
}

/// What is computed on each coset: gates, and the two sides of each look-up.
struct Programs {
    gates: Program,
    lookups: Vec<[Program; 2]>,
}

/// Powers of y, by argument.
struct Weights<'a> {
    permutation: &'a [Fr],
    lookups: &'a [Fr],
}

/// Constraints of a look-up.
const LOOKUP: usize = 5;

impl Numerator<'_> {
    /// The quotient's pieces h₀, h₁, …, as coefficients.
    pub fn quotient(&self, prepared: &Prepared) -> Result<Vec<Vec<Fr>>, PlonkError> {
        let cs = self.pk.get_vk().cs();
        let gates: usize = cs.gates().iter().map(|gate| gate.polynomials().len()).sum();
        let sets = self.products.len();
        let permutation = if sets == 0 { 0 } else { 2 * sets + 1 };
        let mut weights = vec![Fr::ONE; gates + permutation + LOOKUP * self.lookups.len()];
        // The first constraint has the highest power.
        for i in (1..weights.len()).rev() {
            weights[i - 1] = weights[i] * self.y;
        }
        let (gate_weights, rest) = weights.split_at(gates);
        let (permutation, lookups) = rest.split_at(permutation);
        let weights = Weights {
            permutation,
            lookups,
        };
        let unknown = PlonkError::Unsupported("a selector or an unknown challenge");
        let programs = self.programs(gate_weights).ok_or(unknown)?;

        let mut parts = Vec::with_capacity(prepared.shifts.len());
        let mut proof = ProofCoset::new(self, &prepared.domain);
        for (p, shift) in prepared.shifts.iter().enumerate() {
            let made;
            let key = match prepared.kept.as_ref().and_then(|kept| kept.get(p)) {
                Some(kept) => kept,
                None => {
                    made = KeyCoset::new(self.pk, &prepared.domain, shift);
                    &made
                }
            };
            proof.fill(self, &prepared.domain, shift);
            let coset = Coset { key, proof: &proof };
            let mut values = self.evaluate(&coset, &prepared.domain, shift.by, &programs, &weights);
            prepared.domain.interpolate(&mut values);
            scale_by_powers(
                &mut values,
                Option::from(shift.by.invert()).unwrap_or(Fr::ZERO),
            );
            parts.push(values);
        }
        let shifts: Vec<Fr> = prepared.shifts.iter().map(|shift| shift.by).collect();
        Ok(pieces(&parts, &shifts, prepared.domain.rows()))
    }

    fn programs(&self, gate_weights: &[Fr]) -> Option<Programs> {
        let cs = self.pk.get_vk().cs();
        let gates = cs.gates().iter().flat_map(|gate| gate.polynomials());
        let fold = |expressions| Program::folded(expressions, self.challenges, self.theta);
        let lookups = cs.lookups().iter().map(|lookup| {
            Some([
                fold(lookup.input_expressions())?,
                fold(lookup.table_expressions())?,
            ])
        });
        Some(Programs {
            gates: Program::new(gates, self.challenges, gate_weights)?,
            lookups: lookups.collect::<Option<_>>()?,
        })
    }

    /// The numerator on a coset.
    fn evaluate(
        &self,
        coset: &Coset<'_>,
        domain: &Domain,
        shift: Fr,
        programs: &Programs,
        weights: &Weights<'_>,
    ) -> Vec<Fr> {
        let mut values = programs
            .gates
            .column(domain.rows(), &|query| coset.column(query));
        values
            .par_chunks_mut(TASK)
            .enumerate()
            .for_each(|(task, values)| {
                let first = task * TASK;
                self.permutation(coset, domain, shift, weights.permutation, first, values);
            });
        let lookups = programs.lookups.iter().zip(&coset.proof.lookups);
        for ((programs, columns), weights) in lookups.zip(weights.lookups.chunks(LOOKUP)) {
            let sides = programs
                .each_ref()
                .map(|program| program.column(domain.rows(), &|query| coset.column(query)));
            self.lookup(coset, columns, &sides, weights, &mut values);
        }
        values
    }

    /// Adds the constraints of a look-up.
    fn lookup(
        &self,
        coset: &Coset<'_>,
        [input, table, product]: &[Vec<Fr>; 3],
        [all_inputs, all_entries]: &[Vec<Fr>; 2],
        weights: &[Fr],
        out: &mut [Fr],
    ) {
        let n = out.len();
        let [beta, gamma] = self.beta_gamma;
        let [l_first, l_last, l_active] = &coset.key.rows;
        out.par_iter_mut().enumerate().for_each(|(row, out)| {
            let (z, next) = (product[row], product[rotated(row, 1, n)]);
            let apart = input[row] - table[row];
            let step = next * (input[row] + beta) * (table[row] + gamma)
                - z * (all_inputs[row] + beta) * (all_entries[row] + gamma);
            let run = apart * (input[row] - input[rotated(row, -1, n)]);
            *out += (weights[0] * (Fr::ONE - z) + weights[3] * apart) * l_first[row]
                + weights[1] * z * (z - Fr::ONE) * l_last[row]
                + (weights[2] * step + weights[4] * run) * l_active[row];
        });
    }

    /// Adds the constraints of the permutation argument, for rows from `first` on.
    fn permutation(
        &self,
        coset: &Coset<'_>,
        domain: &Domain,
        shift: Fr,
        weights: &[Fr],
        first: usize,
        out: &mut [Fr],
    ) {
        let cs = self.pk.get_vk().cs();
        let n = domain.rows();
        let in_set = cs.degree() - 2;
        let last = -(cs.blinding_factors() as i32 + 1);
        let [l_first, l_last, l_active] = &coset.key.rows;
        let (Some(z_first), Some(z_last)) =
            (coset.proof.products.first(), coset.proof.products.last())
        else {
            return;
        };
        let (chain, steps) = weights[2..].split_at(coset.proof.products.len() - 1);
        let rows = first..first + out.len();
        let columns: Vec<[&[Fr]; 2]> = cs
            .permutation()
            .get_columns()
            .iter()
            .zip(&coset.key.permutations)
            .map(|(column, permutation)| {
                let values = match column.column_type() {
                    Any::Advice(_) => &coset.proof.advice[column.index()],
                    Any::Fixed => &coset.key.fixed[column.index()],
                    Any::Instance => &coset.proof.instances[column.index()],
                };
                [&values[rows.clone()], &permutation[rows.clone()]]
            })
            .collect();
        let point = shift * domain.omega.pow_vartime([first as u64]);
        let places = powers(self.beta_gamma[0] * point, domain.omega, out.len());
        let to_next_set = Fr::DELTA.pow_vartime([in_set as u64]);
        let ifma = Ifma::detect();
        let mut active = vec![Fr::ZERO; out.len()];
        let mut first_column = Fr::ONE;
        let sets = coset.proof.products.iter().zip(columns.chunks(in_set));
        for ((z, columns), weight) in sets.zip(steps) {
            let step = Step {
                factors: Factors {
                    columns: columns.to_vec(),
                    places: &places,
                    first: first_column,
                    beta_gamma: self.beta_gamma,
                },
                here: window(z, first, out.len()),
                next: window(z, first + 1, out.len()),
                weight: *weight,
            };
            step.add(ifma, &mut active);
            first_column *= to_next_set;
        }
        // The first product starts at 1, each other one where the one before ends.
        let mut at_first = vec![weights[0]; out.len()];
        add_scaled(&mut at_first, &z_first[rows.clone()], -weights[0]);
        for (pair, weight) in coset.proof.products.windows(2).zip(chain) {
            let end = window(&pair[0], rotated(first, last, n), out.len());
            add_scaled(&mut at_first, &pair[1][rows.clone()], *weight);
            add_scaled(&mut at_first, &end, -*weight);
        }
        for ((row, out), (active, at_first)) in rows.zip(out).zip(active.into_iter().zip(at_first))
        {
            let at_last = weights[1] * z_last[row] * (z_last[row] - Fr::ONE);
            *out += at_first * l_first[row] + at_last * l_last[row] + active * l_active[row];
        }
    }
}

/// The pieces, from the interpolation on each coset: Σᵢ τ_pⁱ·hᵢ = parts[p]/(τ_p − 1).
fn pieces(parts: &[Vec<Fr>], shifts: &[Fr], rows: usize) -> Vec<Vec<Fr>> {
    let taus: Vec<Fr> = shifts
        .iter()
        .map(|s| s.pow_vartime([rows as u64]))
        .collect();
    // Column p of the inverse Vandermonde matrix: coefficients of the polynomial that is 1 at τ_p
    // and 0 at the others.
    let columns: Vec<Vec<Fr>> = (0..taus.len())
        .map(|p| {
            let mut unit = vec![Fr::ZERO; taus.len()];
            unit[p] = Option::from((taus[p] - Fr::ONE).invert()).unwrap_or(Fr::ZERO);
            let mut column = lagrange_interpolate(&taus, &unit);
            column.resize(taus.len(), Fr::ZERO);
            column
        })
        .collect();
    (0..taus.len())
        .into_par_iter()
        .map(|i| {
            (0..rows)
                .map(|l| {
                    let terms = parts.iter().zip(&columns);
                    terms.map(|(part, column)| part[l] * column[i]).sum()
                })
                .collect()
        })
        .collect()
}
