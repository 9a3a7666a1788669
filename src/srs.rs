//! Which structured reference string a command uses.

use crate::{hex::hex, ui::Ui};
use anyhow::{bail, Context, Result};
use clap::Args;
use halo2_proofs::poly::commitment::ParamsProver;
use std::path::PathBuf;
use zkml_srs::{
    cached, cached_secret, default_cache_folder, name_of_secret, parse_fingerprint, Progress,
    Provenance, Srs,
};

/// Where the SRS comes from.
#[derive(Args, Clone, Default)]
pub struct SrsArgs {
    /// SRS file; give several where several sizes are needed [default: a development SRS, which is
    /// INSECURE, from $ZKML_CACHE or ~/.cache/zkml]
    #[arg(long = "srs", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Whose SRS counts as secure.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Whose secrets the user of this run relies upon, apart from those that zkml knows.
#[derive(Args, Clone, Default)]
pub struct TrustArgs {
    /// Rely on the ceremony with this fingerprint, which zkml does not know (`zkml srs info` prints
    /// it). Say it only if you checked that ceremony: whoever knows its secret can forge proofs.
    /// `development` is the development SRS of this machine's cache: for tests only, and nothing is sent
    /// under it to a chain that is not a local one
    #[arg(long = "trust-srs", value_name = "HEX|development", value_parser = parse_word)]
    words: Vec<Word>,
}

/// A secret that the user relies upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// That with this fingerprint.
    Fingerprint([u8; 32]),
    /// That of this machine's development SRS.
    Development,
}

fn parse_word(text: &str) -> Result<Word, String> {
    if text == "development" {
        return Ok(Word::Development);
    }
    parse_fingerprint(text)
        .map(Word::Fingerprint)
        .map_err(|error| format!("{error}, or the word development"))
}

impl TrustArgs {
    /// The development SRS of this machine: for commands that show how it works.
    pub fn development() -> Self {
        Self {
            words: vec![Word::Development],
        }
    }

    /// Enters the user's word.
    pub fn judge(&self, provenance: &mut Provenance) {
        let named: Vec<[u8; 32]> = self.fingerprints().collect();
        provenance.accept(&named);
    }

    fn fingerprints(&self) -> impl Iterator<Item = [u8; 32]> + '_ {
        self.words.iter().filter_map(|word| match word {
            Word::Fingerprint(fingerprint) => Some(*fingerprint),
            Word::Development => None,
        })
    }

    /// Whether others may be made to rely on the secret with this fingerprint: it is that of a ceremony that zkml knows,
    /// or the user of this run named it by its fingerprint.
    pub fn vouches_for(&self, fingerprint: &[u8; 32]) -> bool {
        name_of_secret(fingerprint).is_some()
            || self.fingerprints().any(|named| named == *fingerprint)
    }

    /// Whether the user of this run relies on the secret with this fingerprint: they vouch for it, or it is that of this
    /// machine's development SRS, and they said so.
    pub fn relies_on(&self, fingerprint: &[u8; 32]) -> Result<bool> {
        if self.vouches_for(fingerprint) {
            return Ok(true);
        }
        if !self.words.contains(&Word::Development) {
            return Ok(false);
        }
        Ok(cached_secret(&default_cache_folder()?)? == Some(*fingerprint))
    }
}

/// The SRS that a contract trusts, by its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// Names its secret.
    pub fingerprint: [u8; 32],
    /// The ceremony that it is of, if zkml knows that.
    pub ceremony: Option<&'static str>,
}

impl Trusted {
    /// What is known of the secret with this fingerprint.
    pub fn new(fingerprint: [u8; 32]) -> Self {
        Self {
            fingerprint,
            ceremony: name_of_secret(&fingerprint),
        }
    }
}

impl std::fmt::Display for Trusted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fingerprint = hex(&self.fingerprint);
        match self.ceremony {
            Some(known) => write!(f, "SRS of the {known}, with fingerprint {fingerprint}"),
            None => write!(
                f,
                "SRS with fingerprint {fingerprint}, of no ceremony that zkml knows"
            ),
        }
    }
}

impl SrsArgs {
    /// Enough of an SRS to verify proofs of 2^k rows: the given file of that size, or of a development SRS, whose sizes
    /// have one secret, what any of them has.
    pub fn to_verify(&self, k: u32, ui: &Ui) -> Result<Srs> {
        match self.files.is_empty() {
            true => Ok(verifying_at(&development(SMALLEST, ui)?, k)),
            false => self.of_size(k, ui),
        }
    }

    /// The SRS of size 2^k: the given file of that size, or the cached development SRS.
    pub fn of_size(&self, k: u32, ui: &Ui) -> Result<Srs> {
        if self.files.is_empty() {
            return development(k, ui);
        }
        let mut sizes = Vec::new();
        for file in &self.files {
            let has = Srs::glance(file)?.k;
            if has != k {
                sizes.push(format!("{} has k = {has}", file.display()));
                continue;
            }
            let mut srs = ui
                .stage("Checking the SRS", None, || Srs::load(file))
                .value?;
            // A file may be another one when it is opened again.
            if srs.k() != k {
                bail!("{}: changed while it was read", file.display());
            }
            self.trust.judge(&mut srs.provenance);
            return Ok(srs);
        }
        bail!(
            "an SRS of k = {k} is needed: {}; give another --srs FILE of the same secret (zkml srs import -k {k} takes it from a larger file)",
            sizes.join(", ")
        )
    }
}

/// The k of the development SRS that is verified with.
const SMALLEST: u32 = 6;

/// The development SRS of size 2^k of the user's cache.
pub fn development(k: u32, ui: &Ui) -> Result<Srs> {
    let folder = default_cache_folder()?;
    counted(&format!("Development SRS, k = {k}"), ui, |progress| {
        cached(&folder, k, progress).with_context(|| format!("no development SRS of k = {k}"))
    })
}

/// Does work on an SRS under a bar that counts its points.
pub fn counted(name: &str, ui: &Ui, work: impl FnOnce(Progress<'_>) -> Result<Srs>) -> Result<Srs> {
    let counter = ui.counter("SRS points");
    let progress = |done: u64, total: u64| {
        counter.set_length(total);
        if done > counter.position() {
            counter.set_position(done);
        }
    };
    let srs = ui.stage(name, None, || work(&progress)).value;
    counter.finish_and_clear();
    srs
}

/// Says on stderr that proofs under this SRS convince nobody, if so.
pub fn warn(provenance: &Provenance, ui: &Ui) {
    if !provenance.is_secure() {
        ui.note(format_args!("warning: {provenance}"));
    }
}

/// The part of an SRS that a verifier needs, as an SRS of the smallest size.
pub fn verifying_part(srs: &Srs) -> Srs {
    let points = srs.params.get_g().iter().take(2).copied().collect();
    let (g2, s_g2) = (srs.params.g2(), srs.params.s_g2());
    Srs {
        params: srs.params.from_parts(1, points, None, g2, s_g2),
        provenance: srs.provenance.clone(),
    }
}

/// Parameters that say they are of size 2^k, enough to verify with. They cannot prove.
pub fn verifying_at(srs: &Srs, k: u32) -> Srs {
    let points = srs.params.get_g().iter().take(2).copied().collect();
    let (g2, s_g2) = (srs.params.g2(), srs.params.s_g2());
    Srs {
        params: srs.params.from_parts(k, points, Some(Vec::new()), g2, s_g2),
        provenance: srs.provenance.clone(),
    }
}
