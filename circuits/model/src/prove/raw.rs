//! A check of halo2's serialised keys before halo2 reads them: its readers trust lengths and
//! scalars, and panic where they are wrong.

use crate::layout::Shape;

/// Bytes of a point, and of a scalar, in raw form.
const POINT: usize = 64;
const SCALAR: usize = 32;

/// Little-endian limbs of the modulus of the BN254 scalar field.
const MODULUS: [u64; 4] = [
    0x43e1_f593_f000_0001,
    0x2833_e848_79b9_7091,
    0xb850_45b6_8181_585d,
    0x3064_4e72_e131_a029,
];

/// What decides how long a key is.
#[derive(Clone, Copy, Debug)]
pub struct Dimensions {
    /// 2^k rows.
    pub k: u32,
    /// Fixed columns.
    pub fixed: usize,
    /// Columns in the permutation.
    pub permuted: usize,
}

impl From<&Shape> for Dimensions {
    /// Of a model circuit.
    fn from(shape: &Shape) -> Self {
        Self {
            k: shape.k,
            fixed: shape.fixed_columns(),
            permuted: shape.permuted_columns(),
        }
    }
}

struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walker<'a> {
    fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(len);
        let slice = end.and_then(|end| self.bytes.get(self.at..end));
        let slice = slice.ok_or_else(|| format!("{what} ends early, at byte {}", self.at))?;
        self.at += len;
        Ok(slice)
    }

    fn expect(&mut self, bytes: &[u8], what: &str) -> Result<(), String> {
        let at = self.at;
        if self.take(bytes.len(), what)? == bytes {
            Ok(())
        } else {
            Err(format!("{what} at byte {at} is not that of this model"))
        }
    }

    fn polynomial(&mut self, n: usize, what: &str) -> Result<(), String> {
        self.expect(&(n as u32).to_be_bytes(), what)?;
        let at = self.at;
        for (i, scalar) in self
            .take(n * SCALAR, what)?
            .chunks_exact(SCALAR)
            .enumerate()
        {
            if !canonical(scalar) {
                return Err(format!(
                    "{what}: the scalar at byte {} is not below the modulus",
                    at + i * SCALAR
                ));
            }
        }
        Ok(())
    }

    fn polynomials(&mut self, count: usize, n: usize, what: &str) -> Result<(), String> {
        self.expect(&(count as u32).to_be_bytes(), what)?;
        (0..count).try_for_each(|_| self.polynomial(n, what))
    }
}

fn canonical(scalar: &[u8]) -> bool {
    for (limb, modulus) in scalar.rchunks_exact(8).zip(MODULUS.iter().rev()) {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(limb);
        let limb = u64::from_le_bytes(bytes);
        if limb != *modulus {
            return limb < *modulus;
        }
    }
    false
}

fn header(walker: &mut Walker<'_>, key: Dimensions) -> Result<(), String> {
    walker.expect(&[2], "format version of the verifying key")?;
    walker.expect(&key.k.to_le_bytes(), "k")?;
    walker.expect(&[0], "selector compression flag")?;
    walker.expect(&(key.fixed as u32).to_le_bytes(), "number of fixed columns")?;
    let points = key.fixed + key.permuted;
    walker.take(points * POINT, "commitments of the verifying key")?;
    Ok(())
}

/// Whether `bytes` can be a verifying key of these dimensions. Points are checked by the caller.
pub fn check_verifying_key(bytes: &[u8], key: impl Into<Dimensions>) -> Result<(), String> {
    let mut walker = Walker { bytes, at: 0 };
    header(&mut walker, key.into())?;
    end(&walker)
}

/// Whether `bytes` can be a proving key of these dimensions. Points are checked by the caller.
pub fn check_proving_key(bytes: &[u8], key: impl Into<Dimensions>) -> Result<(), String> {
    let key = key.into();
    let n = 1usize << key.k;
    let mut walker = Walker { bytes, at: 0 };
    header(&mut walker, key)?;
    for what in ["l0", "l_last", "l_active_row"] {
        walker.polynomial(n, what)?;
    }
    walker.polynomials(key.fixed, n, "fixed values")?;
    walker.polynomials(key.fixed, n, "fixed polynomials")?;
    walker.polynomials(key.permuted, n, "permutation values")?;
    walker.polynomials(key.permuted, n, "permutation polynomials")?;
    end(&walker)
}

fn end(walker: &Walker<'_>) -> Result<(), String> {
    if walker.at == walker.bytes.len() {
        Ok(())
    } else {
        Err(format!(
            "{} bytes after the key's end",
            walker.bytes.len() - walker.at
        ))
    }
}
