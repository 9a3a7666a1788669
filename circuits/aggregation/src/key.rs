//! Keys of the aggregation circuit, and the choice of its shape.

use super::{
    circuit::AggregationCircuit,
    shape::{AggregationShape, CircuitSize, MAX_K, MIN_K},
    AggregateError, Structure, ACCUMULATOR_LIMBS,
};
use halo2_proofs::{
    halo2curves::bn256::{Bn256, G1Affine},
    plonk::{keygen_pk, keygen_vk, Circuit, ConstraintSystem, ProvingKey},
    poly::{
        commitment::{Params, ParamsProver},
        kzg::commitment::ParamsKZG,
    },
    SerdeFormat,
};
use serde::{Deserialize, Serialize};
use snark_verifier::{
    pcs::kzg::KzgDecidingKey,
    system::halo2::{compile, Config},
    verifier::plonk::PlonkProtocol,
};
use snark_verifier_sdk::{halo2::gen_dummy_snark_from_protocol, Snark, SHPLONK};
use std::path::Path;
use zkml_files::{read_container, write_container, Kind};
use zkml_model::prove::raw::{self, Dimensions};

/// Version of the key file. Since 2 the digest of an inner key is of its slot's structure, too.
const VERSION: u32 = 2;
impl AggregationShape {
    /// The smallest shape with at most `max_columns` gate columns for proofs of these circuits, and
    /// what they need of it.
    pub fn choose(
        protocols: &[PlonkProtocol<G1Affine>],
        max_columns: usize,
    ) -> Result<(Self, CircuitSize), AggregateError> {
        let snarks = dummies(protocols)?;
        let generator =
            <G1Affine as halo2_proofs::halo2curves::group::prime::PrimeCurveAffine>::generator();
        let circuit =
            AggregationCircuit::build(generator, &snarks, &[], Self::default(), Some(Vec::new()))?;
        let size = circuit.size();
        Self::holding(size, max_columns)
            .map(|shape| (shape, size))
            .ok_or(AggregateError::TooLarge {
                cells: size.cells,
                range_rows: size.range_rows,
                columns: max_columns,
                max_k: MAX_K,
            })
    }

    /// What decides how long a key is.
    fn dimensions(self) -> Dimensions {
        let mut meta = ConstraintSystem::default();
        AggregationCircuit::configure_with_params(&mut meta, self);
        Dimensions {
            k: self.k,
            fixed: meta.num_fixed_columns(),
            permuted: meta.permutation().get_columns().len(),
        }
    }
}

/// A key of the aggregation circuit.
#[derive(Debug)]
pub struct AggregationKey {
    /// Proving key; the verifying key is part of it.
    pub pk: ProvingKey<G1Affine>,
    header: Header,
}

/// What a key file says before the key itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    shape: AggregationShape,
    structures: Vec<Structure>,
    breaks: Vec<usize>,
}

impl AggregationKey {
    /// Size of the circuit.
    pub fn shape(&self) -> AggregationShape {
        self.header.shape
    }

    /// The inner circuits, in order.
    pub fn structures(&self) -> &[Structure] {
        &self.header.structures
    }

    /// Public values of an aggregate proof.
    pub fn num_instances(&self) -> usize {
        let inner = self
            .header
            .structures
            .iter()
            .map(|structure| 1 + structure.instances);
        ACCUMULATOR_LIMBS + inner.sum::<usize>()
    }

    /// The verifier's view of the circuit, from which the contract is generated.
    pub fn protocol(
        &self,
        srs: &ParamsKZG<Bn256>,
    ) -> Result<PlonkProtocol<G1Affine>, AggregateError> {
        check_srs(srs, self.header.shape)?;
        let config = Config::kzg()
            .with_num_instance(vec![self.num_instances()])
            .with_accumulator_indices(Some((0..ACCUMULATOR_LIMBS).map(|i| (0, i)).collect()));
        Ok(compile(srs, self.pk.get_vk(), config))
    }

    /// What the key is for: shape, inner circuits, and where its columns break.
    pub fn configuration(&self) -> Result<Vec<u8>, AggregateError> {
        serde_json::to_vec(&self.header).map_err(|_| AggregateError::Protocol {
            reason: "its header cannot be written down",
        })
    }

    /// The verifying key's bytes.
    pub fn verifying_key(&self) -> Result<Vec<u8>, AggregateError> {
        let mut bytes = Vec::new();
        self.pk
            .get_vk()
            .write(&mut bytes, SerdeFormat::RawBytes)
            .map_err(|_| AggregateError::Protocol {
                reason: "its verifying key cannot be written down",
            })?;
        Ok(bytes)
    }

    pub(super) fn breaks(&self) -> Vec<usize> {
        self.header.breaks.clone()
    }

    /// Writes the key.
    pub fn save(&self, path: &Path) -> Result<(), AggregateError> {
        let header = serde_json::to_vec(&self.header).map_err(|error| content(path, error))?;
        write_container(path, Kind::AggregationKey, VERSION, &mut |mut out| {
            out.write_all(&(header.len() as u64).to_le_bytes())?;
            out.write_all(&header)?;
            self.pk.write(&mut out, SerdeFormat::RawBytes)
        })?;
        Ok(())
    }

    /// Reads a key; every point and scalar in it is checked.
    pub fn load(path: &Path) -> Result<Self, AggregateError> {
        let payload = read_container(path, Kind::AggregationKey, VERSION)?;
        let short = || content(path, "it is too short");
        let (length, rest) = payload.split_first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (header, mut rest) = rest.split_at_checked(length).ok_or_else(short)?;
        let header: Header =
            serde_json::from_slice(header).map_err(|error| content(path, error))?;
        let shape = header.shape;
        if !(MIN_K..=MAX_K).contains(&shape.k) || !(1..=64).contains(&shape.columns) {
            return Err(content(path, format!("impossible shape {shape:?}")));
        }
        // halo2's reader takes lengths and scalars as they come: it would allocate whatever a few
        // bytes ask for, and panic on what it does not expect.
        raw::check_proving_key(rest, shape.dimensions()).map_err(|got| content(path, got))?;
        let pk = ProvingKey::read::<_, AggregationCircuit>(&mut rest, SerdeFormat::RawBytes, shape)
            .map_err(|error| content(path, error))?;
        let vk = pk.get_vk();
        let on_curve = |point: &G1Affine| {
            bool::from(halo2_proofs::arithmetic::CurveAffine::is_on_curve(point))
        };
        let mut points = vk
            .fixed_commitments()
            .iter()
            .chain(vk.permutation().commitments());
        if !rest.is_empty() || vk.get_domain().k() != shape.k || !points.all(on_curve) {
            return Err(content(
                path,
                "its verifying key is not one of this circuit",
            ));
        }
        Ok(Self { pk, header })
    }
}

fn content(path: &Path, what: impl ToString) -> AggregateError {
    AggregateError::Content {
        path: path.display().to_string(),
        what: what.to_string(),
    }
}

/// Makes a key for proofs of these circuits, in this order.
pub fn keygen(
    srs: &ParamsKZG<Bn256>,
    protocols: &[PlonkProtocol<G1Affine>],
    shape: AggregationShape,
) -> Result<AggregationKey, AggregateError> {
    check_srs(srs, shape)?;
    let snarks = dummies(protocols)?;
    let structures = protocols
        .iter()
        .map(Structure::of)
        .collect::<Result<_, _>>()?;
    let generator = generator(srs);
    let circuit = AggregationCircuit::build(generator, &snarks, &[], shape, None)?;
    let halo2 = |source| AggregateError::Halo2 {
        what: "key generation",
        source,
    };
    let vk = keygen_vk(srs, &circuit).map_err(halo2)?;
    let pk = keygen_pk(srs, vk, &circuit).map_err(halo2)?;
    let header = Header {
        shape,
        structures,
        breaks: circuit.breaks().to_vec(),
    };
    Ok(AggregationKey { pk, header })
}

/// Proofs of the right form that prove nothing: a key needs no more.
pub(super) fn dummies(protocols: &[PlonkProtocol<G1Affine>]) -> Result<Vec<Snark>, AggregateError> {
    if protocols.is_empty() {
        return Err(AggregateError::Empty);
    }
    protocols
        .iter()
        .map(|protocol| {
            Structure::of(protocol)?;
            Ok(gen_dummy_snark_from_protocol::<SHPLONK>(protocol.clone()))
        })
        .collect()
}

/// Fails unless the SRS is of the circuit's size.
pub(super) fn check_srs(
    srs: &ParamsKZG<Bn256>,
    shape: AggregationShape,
) -> Result<(), AggregateError> {
    if srs.k() == shape.k {
        Ok(())
    } else {
        Err(AggregateError::Srs {
            expected: shape.k,
            got: srs.k(),
        })
    }
}

/// The generator of the first group that the SRS starts with.
pub(super) fn generator(srs: &ParamsKZG<Bn256>) -> G1Affine {
    deciding_key(srs).svk().g
}

pub(super) fn deciding_key(srs: &ParamsKZG<Bn256>) -> KzgDecidingKey<Bn256> {
    let generator = srs.get_g().first().copied().unwrap_or_default();
    KzgDecidingKey::from((generator, srs.g2(), srs.s_g2()))
}
