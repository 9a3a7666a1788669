//! Development SRSs kept between runs.
//!
//! All sizes in one cache folder share a secret, since a proof can only be aggregated, and a key
//! only be made again, under the secret of the other. So the folder keeps the seed of that secret
//! in `dev.seed`, in the clear: a development SRS is insecure anyway. A size is
//! always made anew, never cut from a larger one: that is a Fourier transform over the group, which
//! takes a hundred times as long (measured for k = 14: 31 CPU-seconds against 0.2).

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rand::rngs::OsRng;
use rand::RngCore;

use super::{check_k, fingerprint, hex, secret_of, Check, Progress, Provenance, Srs, SrsError};
use halo2_proofs::halo2curves::bn256::G2Affine;
use halo2_proofs::halo2curves::group::Curve;
use zkml_files::{read_bounded, write_secret, FileError};

const SEED_FILE: &str = "dev.seed";
/// Longest seed file that is read: 64 hexadecimal digits and some white space.
const MAX_SEED_FILE_LEN: u64 = 80;

/// The development SRS of size 2^k of a cache folder: loaded from `dev-k<k>.srs`, or made and left
/// there. A file that is damaged, or of another seed than the folder's, is replaced. Processes may
/// do this at the same time.
pub fn cached(folder: &Path, k: u32, progress: Progress<'_>) -> Result<Srs, SrsError> {
    check_k(k)?;
    let path = folder.join(format!("dev-k{k}.srs"));
    fs::create_dir_all(folder).map_err(FileError::io(folder, "make the cache folder"))?;
    let seed = seed_of(folder)?;
    match Srs::load_checked(&path, Check::Points) {
        Ok(srs) if srs.k() == k && belongs_to(&srs, seed) => return Ok(srs),
        Ok(_) => {
            tracing::warn!(path = %path.display(), "SRS of another secret or size: made again")
        }
        Err(SrsError::File(error)) if error.is_not_found() => {}
        Err(error) => tracing::warn!(%error, "unusable SRS in the cache: made again"),
    }
    let srs = Srs::development_from_seed(k, seed, progress)?;
    srs.save(&path)?;
    Ok(srs)
}

/// Names the secret that all development SRSs of a cache folder share, if it has one.
pub fn cached_secret(folder: &Path) -> Result<Option<[u8; 32]>, SrsError> {
    Ok(read_seed(&folder.join(SEED_FILE))?.map(secret_name))
}

/// Whether label and points are those of a seed.
fn belongs_to(srs: &Srs, seed: [u8; 32]) -> bool {
    srs.provenance == Provenance::of_seed(&seed) && srs.fingerprint() == secret_name(seed)
}

fn secret_name(seed: [u8; 32]) -> [u8; 32] {
    let generator = G2Affine::generator();
    let secret = (generator * secret_of(seed)).to_affine();
    fingerprint(&generator, &secret)
}

/// Where development SRSs are kept unless something else is asked for: `$ZKML_CACHE`, else
/// `$XDG_CACHE_HOME/zkml`, else `~/.cache/zkml`.
pub fn default_cache_folder() -> Result<PathBuf, SrsError> {
    cache_folder(|name| env::var_os(name))
}

fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, SrsError> {
    let folder = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    folder("ZKML_CACHE")
        // The XDG specification has relative paths ignored.
        .or_else(|| {
            folder("XDG_CACHE_HOME")
                .filter(|path| path.is_absolute())
                .map(|path| path.join("zkml"))
        })
        .or_else(|| folder("HOME").map(|path| path.join(".cache").join("zkml")))
        .ok_or(SrsError::NoCacheFolder)
}

/// The folder's seed, drawn if there is none yet. Where two processes draw, the first one's stays.
fn seed_of(folder: &Path) -> Result<[u8; 32], SrsError> {
    let path = folder.join(SEED_FILE);
    if let Some(seed) = read_seed(&path)? {
        return Ok(seed);
    }
    let mut seed = [0; 32];
    OsRng.fill_bytes(&mut seed);
    let text = hex::show(&seed);
    match write_secret(&path, &mut |out| writeln!(out, "{text}")) {
        Err(error) if !error.is_already_there() => return Err(error.into()),
        _ => {}
    }
    match read_seed(&path)? {
        Some(seed) => Ok(seed),
        None => Err(FileError::io(&path, "read")(io::ErrorKind::NotFound.into()).into()),
    }
}

fn read_seed(path: &Path) -> Result<Option<[u8; 32]>, SrsError> {
    let text = match read_bounded(path, MAX_SEED_FILE_LEN) {
        Ok(text) => text,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    parse_seed(&text)
        .map(Some)
        .ok_or_else(|| SrsError::Malformed {
            path: path.to_owned(),
            place: "seed".into(),
            expected: "64 hexadecimal digits".into(),
            // It may be a seed but for a digit, so it is not shown.
            got: format!("{} bytes that are none", text.len()),
        })
}

fn parse_seed(text: &[u8]) -> Option<[u8; 32]> {
    hex::parse(text.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_folder_follows_the_environment() {
        let with = |pairs: &[(&str, &str)]| {
            let pairs: Vec<(String, OsString)> = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).into()))
                .collect();
            cache_folder(|name| {
                pairs
                    .iter()
                    .find(|pair| pair.0 == name)
                    .map(|pair| pair.1.clone())
            })
            .ok()
        };
        let all = [
            ("ZKML_CACHE", "c"),
            ("XDG_CACHE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        assert_eq!(with(&all), Some("c".into()));
        assert_eq!(with(&all[1..]), Some("/x/zkml".into()));
        assert_eq!(with(&all[2..]), Some("/h/.cache/zkml".into()));
        assert_eq!(
            with(&[("ZKML_CACHE", ""), all[2]]),
            Some("/h/.cache/zkml".into())
        );
        assert_eq!(with(&[("XDG_CACHE_HOME", "relative")]), None);
    }

    #[test]
    fn seeds_parse_exactly() {
        let digits = "00ff".repeat(16);
        let mut seed = [0; 32];
        seed.iter_mut()
            .skip(1)
            .step_by(2)
            .for_each(|byte| *byte = 255);
        assert_eq!(parse_seed(format!("{digits}\n").as_bytes()), Some(seed));
        assert_eq!(parse_seed(&digits.as_bytes()[1..]), None);
        assert_eq!(parse_seed("0g".repeat(32).as_bytes()), None);
        assert_eq!(parse_seed(b""), None);
    }
}
