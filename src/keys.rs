//! The folder that `zkml setup` writes, and the keys in it.

use crate::{
    hex::hex,
    memory,
    origin::{Identity, Origin},
    outcome::Refused,
    srs::{verifying_at, SrsArgs},
    ui::Ui,
};
use anyhow::{bail, Context, Result};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use zkml_model::{
    layout::{Form, Plan, Shape},
    planner::Cost,
    prove::{Architecture, Keys, Verifier},
};
use zkml_srs::{Check, Srs};

/// A folder of keys.
#[derive(Clone, Debug)]
pub struct KeyFolder(pub PathBuf);

/// What verifying needs.
pub struct Verifying {
    /// The model without its weights.
    pub architecture: Architecture,
    /// What its statements consist of.
    pub form: Form,
    /// Its verifying key.
    pub verifier: Verifier,
    /// The SRS: enough of it to verify, not to prove.
    pub srs: Srs,
}

impl Verifying {
    /// Names configuration, key and SRS.
    pub fn identity(&self) -> Result<Identity> {
        Identity::of_model(&self.architecture, &self.verifier.vk, &self.verifier.srs)
    }
}

impl KeyFolder {
    /// The architecture.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.json")
    }

    /// The proving key.
    pub fn proving_key(&self) -> PathBuf {
        self.0.join("proving.key")
    }

    /// The verifying key.
    pub fn verifying_key(&self) -> PathBuf {
        self.0.join("verifying.key")
    }

    /// The weights and the salt of the commitment: the secret.
    pub fn opening(&self) -> PathBuf {
        self.0.join("weights.opening")
    }

    /// The verifier's part of the SRS.
    pub fn verifying_srs(&self) -> PathBuf {
        self.0.join("verifying.srs")
    }

    /// The commitment C that verifying compares with.
    pub fn commitment(&self) -> PathBuf {
        self.0.join("model.commitment")
    }

    /// The key for aggregating `proofs` proofs.
    pub fn aggregation_key(&self, proofs: usize) -> PathBuf {
        self.0.join(format!("aggregation-{proofs}.key"))
    }

    /// Every file that `zkml setup` writes, the one that says that the folder is complete last.
    pub fn files(&self) -> [PathBuf; 6] {
        [
            self.proving_key(),
            self.verifying_key(),
            self.verifying_srs(),
            self.opening(),
            self.commitment(),
            self.config(),
        ]
    }

    /// Takes away the file that says that the folder is complete.
    pub fn invalidate(&self) -> Result<()> {
        let path = self.config();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{}: cannot replace it", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Reads the architecture, and what its statements consist of.
    pub fn architecture(&self) -> Result<(Architecture, Form)> {
        let path = self.config();
        let architecture = Architecture::load(&path)?;
        let form = architecture.form().with_context(|| self.not_provable())?;
        Ok((architecture, form))
    }

    /// Lays the architecture out.
    pub fn plan(&self, architecture: &Architecture) -> Result<Arc<Plan>> {
        architecture.plan().with_context(|| self.not_provable())
    }

    fn not_provable(&self) -> String {
        format!(
            "{}: not an architecture that can be proven",
            self.config().display()
        )
    }

    /// Reads what verifying needs. Of an SRS it takes: the one asked for, the folder's, or the
    /// development SRS.
    pub fn verifying(&self, srs: &SrsArgs, ui: &Ui) -> Result<Verifying> {
        let (architecture, form) = self.architecture()?;
        let k = architecture.shape.k;
        let mut verifier = Verifier::load(&self.verifying_key(), &architecture)?;
        srs.trust.judge(&mut verifier.provenance);
        let own = self.verifying_srs();
        let (srs, origin) = if srs.files.is_empty() && own.exists() {
            let mut small = Srs::load_checked(&own, Check::Structure)?;
            srs.trust.judge(&mut small.provenance);
            if small.provenance != verifier.provenance {
                bail!(
                    "{} and {} disagree on where their SRS came from: \"{}\" and \"{}\"; get both again from whoever made the keys, or give --srs",
                    self.verifying_key().display(),
                    own.display(),
                    verifier.provenance,
                    small.provenance
                );
            }
            (verifying_at(&small, k), own)
        } else {
            (srs.to_verify(k, ui)?, PathBuf::from("the SRS"))
        };
        self.check_srs(&verifier.srs, &srs, &origin)?;
        Ok(Verifying {
            architecture,
            form,
            verifier,
            srs,
        })
    }

    /// How it is known that the verifying key is that of the configuration: it was made or derived here before, or it is
    /// derived again now.
    ///
    /// # Errors
    /// Refused if another key is derived.
    pub fn origin(&self, set: &Verifying, srs: &SrsArgs, ui: &Ui) -> Result<Origin> {
        if let Some(known) = set.identity()?.origin() {
            return Ok(known);
        }
        ui.note(format_args!(
            "{}: not made on this machine: derived again",
            self.verifying_key().display()
        ));
        self.rederive(set, srs, ui)?;
        set.identity()?.remember(Origin::Rederived, ui);
        Ok(Origin::Rederived)
    }

    /// Derives the verifying key again from the configuration and the SRS, and compares.
    pub fn rederive(&self, set: &Verifying, srs: &SrsArgs, ui: &Ui) -> Result<()> {
        let shape = &set.architecture.shape;
        check_memory(shape, memory::available())?;
        let srs = srs.of_size(shape.k, ui)?;
        self.check_srs(&set.verifier.srs, &srs, Path::new("the SRS"))?;
        let plan = self.plan(&set.architecture)?;
        let keys = ui
            .stage("Deriving the verifying key", None, || {
                Verifier::new(&plan, &srs)
            })
            .value?;
        let derived = Identity::of_model(&set.architecture, &keys.vk, &set.verifier.srs)?;
        if derived != set.identity()? {
            return Err(Refused(format!(
                "{} is not the key of {}: derived {}, got {}",
                self.verifying_key().display(),
                self.config().display(),
                keys.digest(),
                set.verifier.digest()
            ))
            .into());
        }
        Ok(())
    }

    /// The proving key of a configuration that is laid out, if the one that was read is it: it was made or derived here
    /// before, or it is derived again now. With another one the prover would succeed or fail as the weights are.
    ///
    /// # Errors
    /// If another key is derived.
    pub fn own_keys(
        &self,
        architecture: &Architecture,
        plan: &Arc<Plan>,
        read: Keys,
        srs: &Srs,
        ui: &Ui,
    ) -> Result<Keys> {
        let found = Identity::of_proving_key(architecture, &read)?;
        if found.origin().is_some() {
            return Ok(read);
        }
        ui.note(format_args!(
            "{}: not made on this machine: derived again",
            self.proving_key().display()
        ));
        self.check_srs(&read.srs, srs, Path::new("the SRS"))?;
        let provenance = read.provenance.clone();
        // Two of them may not fit.
        drop(read);
        check_memory(&plan.shape, memory::available())?;
        let derived = ui
            .stage("Deriving the proving key", None, || Keys::new(plan, srs))
            .value?;
        if Identity::of_proving_key(architecture, &derived)? != found {
            bail!(
                "{} is not the key of {}: another one was derived, and no proof was made; get the folder again from whoever made it, or run `zkml setup` again",
                self.proving_key().display(),
                self.config().display()
            );
        }
        found.remember(Origin::Rederived, ui);
        Ok(Keys {
            provenance,
            ..derived
        })
    }

    /// Fails unless the verifying key was made under this SRS.
    pub fn check_srs(&self, expected: &[u8; 32], srs: &Srs, origin: &Path) -> Result<()> {
        let got = srs.fingerprint();
        if got != *expected {
            bail!(
                "{} was made under another SRS: expected fingerprint {}, {} has {}; give the SRS of the setup with --srs",
                self.verifying_key().display(),
                hex(expected),
                origin.display(),
                hex(&got)
            );
        }
        Ok(())
    }
}

/// Fails where the keys of a circuit of this shape cannot fit into memory.
pub fn check_memory(shape: &Shape, available: Option<u64>) -> Result<()> {
    let needed = Cost::of(shape).keygen_bytes;
    match available {
        Some(available) if needed > available => {
            let gigabytes = |bytes: u64| bytes as f64 / 1e9;
            bail!(
                "keys of 2^{} rows and {} data columns take at least {:.1} GB, {:.1} GB are available: use a machine with more memory",
                shape.k,
                shape.data,
                gigabytes(needed),
                gigabytes(available)
            )
        }
        _ => Ok(()),
    }
}

/// Makes a folder, if it is absent.
pub fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{}: cannot make the folder", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkml_model::layout::Clamps;

    /// Not every machine has the hundred gigabytes that a file of a kilobyte can ask for.
    #[test]
    fn keys_that_do_not_fit_are_refused() {
        let shape = |k, data| Shape {
            k,
            data,
            hash_width: 9,
            limb_bits: 5,
            clamps: Clamps::ALL,
            stacked: false,
        };
        let large = check_memory(&shape(24, 64), Some(20_000_000_000));
        let text = large.unwrap_err().to_string();
        assert!(text.contains("2^24 rows and 64 data columns"), "{text}");
        assert!(check_memory(&shape(24, 64), None).is_ok());
        assert!(check_memory(&shape(20, 12), Some(20_000_000_000)).is_ok());
    }
}
