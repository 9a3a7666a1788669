//! Statements and proofs as the front takes them.

use super::{
    word, FrontError,
    IModelVerifier::{self, Model, Tensor},
};
use halo2_proofs::halo2curves::bn256::Fr;
use zkml_aggregation::ACCUMULATOR_LIMBS;
use zkml_model::prove::{Exposure, Statement};

/// Bytes of one element of a public tensor.
pub fn element_bytes(bits: u8) -> usize {
    match bits {
        0..=8 => 1,
        9..=16 => 2,
        17..=32 => 4,
        _ => 8,
    }
}

/// Inputs and outputs as the contract takes them.
pub fn encode(model: &Model, statement: &Statement) -> Result<(Vec<u8>, Vec<u8>), FrontError> {
    Ok((
        encode_tensors("input", &model.inputs, &statement.inputs)?,
        encode_tensors("output", &model.outputs, &statement.outputs)?,
    ))
}

fn encode_tensors(
    kind: &str,
    tensors: &[Tensor],
    exposures: &[Exposure],
) -> Result<Vec<u8>, FrontError> {
    let wrong = |place: String, what, expected: String, got: String| FrontError::Statement {
        place,
        what,
        expected,
        got,
    };
    if tensors.len() != exposures.len() {
        return Err(wrong(
            format!("{kind}s"),
            "number",
            tensors.len().to_string(),
            exposures.len().to_string(),
        ));
    }
    let mut data = Vec::new();
    for (i, (tensor, exposure)) in tensors.iter().zip(exposures).enumerate() {
        let place = format!("{kind} {i}");
        match (tensor.visibility, exposure) {
            (IModelVerifier::Visibility::Public, Exposure::Public(values)) => {
                data.extend(encode_elements(tensor, values, &place)?);
            }
            (IModelVerifier::Visibility::Hashed, Exposure::Hashed(digest)) => {
                data.extend(word(digest.0).to_be_bytes::<32>());
            }
            (IModelVerifier::Visibility::Private, Exposure::Private) => {}
            (expected, _) => {
                let got = match exposure {
                    Exposure::Public(_) => "public",
                    Exposure::Hashed(_) => "hashed",
                    Exposure::Private => "private",
                };
                let expected = match expected {
                    IModelVerifier::Visibility::Public => "public",
                    IModelVerifier::Visibility::Hashed => "hashed",
                    _ => "private",
                };
                return Err(wrong(place, "visibility", expected.into(), got.into()));
            }
        }
    }
    Ok(data)
}

/// The elements of a public tensor as the contract takes them.
pub fn encode_elements(
    tensor: &Tensor,
    values: &[i64],
    place: &str,
) -> Result<Vec<u8>, FrontError> {
    let wrong = |what, expected: String, got: String| FrontError::Statement {
        place: place.to_string(),
        what,
        expected,
        got,
    };
    if values.len() != tensor.elements as usize {
        let (expected, got) = (tensor.elements.to_string(), values.len().to_string());
        return Err(wrong("number of elements", expected, got));
    }
    let lo = i128::from(tensor.lo);
    let hi = lo + (1i128 << tensor.bits) - 1;
    let width = element_bytes(tensor.bits);
    let mut data = Vec::with_capacity(width * values.len());
    for &value in values {
        if !(lo..=hi).contains(&i128::from(value)) {
            let expected = format!("{lo} to {hi}");
            return Err(wrong("element", expected, value.to_string()));
        }
        data.extend_from_slice(&value.to_be_bytes()[8 - width..]);
    }
    Ok(data)
}

/// The proof as the contract takes it: the accumulator in front.
pub fn aggregated_proof(instances: &[Fr], proof: &[u8]) -> Vec<u8> {
    let limbs = instances.iter().take(ACCUMULATOR_LIMBS);
    let mut data: Vec<u8> = limbs
        .flat_map(|limb| word(*limb).to_be_bytes::<32>())
        .collect();
    data.extend_from_slice(proof);
    data
}
