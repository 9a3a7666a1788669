//! Ceremonies that this program knows: their files by digest, their secrets by fingerprint.
//!
//! Where the constants come from: the digests are those of the table in snarkjs's README (the npm
//! packages 0.4.22, 0.7.3 and 0.7.5 have the same 21). The secret's point in G2 stands as `X_2` in
//! verification keys made with these files, such as Polygon Hermez's own `FflonkVerifier`. All the
//! files are cut from one, so they share that point.

use std::path::Path;

use super::hex;
use super::FileDigest;

/// A ceremony that is known.
pub(super) struct Ceremony {
    /// What it is called.
    pub(super) name: &'static str,
    /// Fingerprint of its secret, in hexadecimal.
    fingerprint: &'static str,
    /// Its files: name, and BLAKE2b-512 in hexadecimal.
    files: &'static [(&'static str, &'static str)],
}

/// Every one that is known.
const KNOWN: [Ceremony; 1] = [HERMEZ];

/// Perpetual Powers of Tau up to its 54th contribution, closed with a beacon for Polygon Hermez.
const HERMEZ: Ceremony = Ceremony {
    name: "Hermez Powers of Tau",
    fingerprint: "279c8b43a6fe74daf0101fbe8d6436d88ebc66c9206f4bc5ad83591fc7552a4e",
    files: &[
        ("powersOfTau28_hez_final_08.ptau",
         "d6a8fb3a04feb600096c3b791f936a578c4e664d262e4aa24beed1b7a9a96aa5eb72864d628db247e9293384b74b36ffb52ca8d148d6e1b8b51e279fdf57b583"),
        ("powersOfTau28_hez_final_09.ptau",
         "94f108a80e81b5d932d8e8c9e8fd7f46cf32457e31462deeeef37af1b71c2c1b3c71fb0d9b59c654ec266b042735f50311f9fd1d4cadce47ab234ad163157cb5"),
        ("powersOfTau28_hez_final_10.ptau",
         "6cfeb8cda92453099d20120bdd0e8a5c4e7706c2da9a8f09ccc157ed2464d921fd0437fb70db42104769efd7d6f3c1f964bcf448c455eab6f6c7d863e88a5849"),
        ("powersOfTau28_hez_final_11.ptau",
         "47c282116b892e5ac92ca238578006e31a47e7c7e70f0baa8b687f0a5203e28ea07bbbec765a98dcd654bad618475d4661bfaec3bd9ad2ed12e7abc251d94d33"),
        ("powersOfTau28_hez_final_12.ptau",
         "ded2694169b7b08e898f736d5de95af87c3f1a64594013351b1a796dbee393bd825f88f9468c84505ddd11eb0b1465ac9b43b9064aa8ec97f2b73e04758b8a4a"),
        ("powersOfTau28_hez_final_13.ptau",
         "58efc8bf2834d04768a3d7ffcd8e1e23d461561729beaac4e3e7a47829a1c9066d5320241e124a1a8e8aa6c75be0ba66f65bc8239a0542ed38e11276f6fdb4d9"),
        ("powersOfTau28_hez_final_14.ptau",
         "eeefbcf7c3803b523c94112023c7ff89558f9b8e0cf5d6cdcba3ade60f168af4a181c9c21774b94fbae6c90411995f7d854d02ebd93fb66043dbb06f17a831c1"),
        ("powersOfTau28_hez_final_15.ptau",
         "982372c867d229c236091f767e703253249a9b432c1710b4f326306bfa2428a17b06240359606cfe4d580b10a5a1f63fbed499527069c18ae17060472969ae6e"),
        ("powersOfTau28_hez_final_16.ptau",
         "6a6277a2f74e1073601b4f9fed6e1e55226917efb0f0db8a07d98ab01df1ccf43eb0e8c3159432acd4960e2f29fe84a4198501fa54c8dad9e43297453efec125"),
        ("powersOfTau28_hez_final_17.ptau",
         "6247a3433948b35fbfae414fa5a9355bfb45f56efa7ab4929e669264a0258976741dfbe3288bfb49828e5df02c2e633df38d2245e30162ae7e3bcca5b8b49345"),
        ("powersOfTau28_hez_final_18.ptau",
         "7e6a9c2e5f05179ddfc923f38f917c9e6831d16922a902b0b4758b8e79c2ab8a81bb5f29952e16ee6c5067ed044d7857b5de120a90704c1d3b637fd94b95b13e"),
        ("powersOfTau28_hez_final_19.ptau",
         "bca9d8b04242f175189872c42ceaa21e2951e0f0f272a0cc54fc37193ff6648600eaf1c555c70cdedfaf9fb74927de7aa1d33dc1e2a7f1a50619484989da0887"),
        ("powersOfTau28_hez_final_20.ptau",
         "89a66eb5590a1c94e3f1ee0e72acf49b1669e050bb5f93c73b066b564dca4e0c7556a52b323178269d64af325d8fdddb33da3a27c34409b821de82aa2bf1a27b"),
        ("powersOfTau28_hez_final_21.ptau",
         "9aef0573cef4ded9c4a75f148709056bf989f80dad96876aadeb6f1c6d062391f07a394a9e756d16f7eb233198d5b69407cca44594c763ab4a5b67ae73254678"),
        ("powersOfTau28_hez_final_22.ptau",
         "0d64f63dba1a6f11139df765cb690da69d9b2f469a1ddd0de5e4aa628abb28f787f04c6a5fb84a235ec5ea7f41d0548746653ecab0559add658a83502d1cb21b"),
        ("powersOfTau28_hez_final_23.ptau",
         "3063a0bd81d68711197c8820a92466d51aeac93e915f5136d74f63c394ee6d88c5e8016231ea6580bec02e25d491f319d92e77f5c7f46a9caa8f3b53c0ea544f"),
        ("powersOfTau28_hez_final_24.ptau",
         "fa404d140d5819d39984833ca5ec3632cd4995f81e82db402371a4de7c2eae8687c62bc632a95b0c6aadba3fb02680a94e09174b7233ccd26d78baca2647c733"),
        ("powersOfTau28_hez_final_25.ptau",
         "0377d860cdb09a8a31ea1b0b8c04335614c8206357181573bf294c25d5ca7dff72387224fbd868897e6769f7805b3dab02854aec6d69d7492883b5e4e5f35eeb"),
        ("powersOfTau28_hez_final_26.ptau",
         "418dee4a74b9592198bd8fd02ad1aea76f9cf3085f206dfd7d594c9e264ae919611b1459a1cc920c2f143417744ba9edd7b8d51e44be9452344a225ff7eead19"),
        ("powersOfTau28_hez_final_27.ptau",
         "10ffd99837c512ef99752436a54b9810d1ac8878d368fb4b806267bdd664b4abf276c9cd3c4b9039a1fa4315a0c326c0e8e9e8fe0eb588ffd4f9021bf7eae1a1"),
        ("powersOfTau28_hez_final.ptau",
         "55c77ce8562366c91e7cda394cf7b7c15a06c12d8c905e8b36ba9cf5e13eb37d1a429c589e8eaba4c591bc4b88a0e2828745a53e170eac300236f5c1a326f41a"),
    ],
};

/// The ceremony with this secret.
pub(super) fn of_secret(fingerprint: &[u8; 32]) -> Option<&'static Ceremony> {
    let digits = hex::show(fingerprint);
    KNOWN.iter().find(|known| known.fingerprint == digits)
}

/// The ceremony that a label of this name and digest speaks of.
pub(super) fn claimed(name: &str, digest: &FileDigest) -> Option<&'static Ceremony> {
    let digits = digest.to_string();
    KNOWN.iter().find(|known| {
        let mut files = known.files.iter();
        files.any(|file| file.0 == name || file.1 == digits) || name.contains(known.name)
    })
}

/// The name of the ceremony that a text speaks of.
pub fn named_in(text: &str) -> Option<&'static str> {
    let known = KNOWN.iter().find(|known| text.contains(known.name));
    known.map(|known| known.name)
}

/// The name of the ceremony with this secret.
pub fn name_of_secret(fingerprint: &[u8; 32]) -> Option<&'static str> {
    of_secret(fingerprint).map(|known| known.name)
}

/// The published name of a file with this digest.
pub(super) fn name_of(digest: &FileDigest) -> Option<&'static str> {
    let digits = digest.to_string();
    files().find(|file| file.1 == digits).map(|file| file.0)
}

/// The digest that a file of this name was published with.
pub(super) fn digest_of(path: &Path) -> Option<FileDigest> {
    let name = path.file_name()?.to_str()?;
    let digits = files().find(|file| file.0 == name)?.1;
    digits.parse().ok()
}

fn files() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    KNOWN.iter().flat_map(|known| known.files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fingerprint, Provenance, Trust};
    use halo2_proofs::halo2curves::bn256::{Fq, Fq2, G2Affine, G2};
    use halo2_proofs::halo2curves::ff::PrimeField;
    use halo2_proofs::halo2curves::group::cofactor::CofactorGroup;
    use halo2_proofs::halo2curves::CurveAffine;

    /// `X_2` of verification keys made with the files of Hermez: x and y, each c0 + c1·u.
    const HERMEZ_X_2: [&str; 4] = [
        "21831381940315734285607113342023901060522397560371972897001948545212302161822",
        "17231025384763736816414546592865244497437017442647097510447326538965263639101",
        "2388026358213174446665280700919698872609886601280537296205114254867301080648",
        "11507326595632554467052522095592665270651932854513688777769618397986436103170",
    ];

    fn hermez() -> [u8; 32] {
        let [x0, x1, y0, y1] = HERMEZ_X_2.map(|digits| Fq::from_str_vartime(digits).unwrap());
        let (x, y) = (Fq2::new(x0, x1), Fq2::new(y0, y1));
        let point = G2Affine::from_xy(x, y).unwrap();
        assert!(bool::from(G2::from(point).is_torsion_free()));
        fingerprint(&G2Affine::generator(), &point)
    }

    #[test]
    fn the_fingerprint_is_that_of_the_published_point() {
        assert_eq!(hex::show(&hermez()), HERMEZ.fingerprint);
        assert_eq!(
            of_secret(&hermez()).map(|known| known.name),
            Some(HERMEZ.name)
        );
        let mut other = hermez();
        other[31] ^= 1;
        assert!(of_secret(&other).is_none());
    }

    #[test]
    fn files_are_known_by_digest_and_by_name() {
        assert_eq!(HERMEZ.files.len(), 21);
        for (name, digits) in HERMEZ.files {
            let digest: FileDigest = digits.parse().unwrap();
            assert_eq!(name_of(&digest), Some(*name));
            assert_eq!(digest_of(&Path::new("folder").join(name)), Some(digest));
        }
        assert_eq!(name_of(&FileDigest([0; 64])), None);
        assert_eq!(digest_of(Path::new("folder/my.ptau")), None);
    }

    #[test]
    fn who_vouches_for_a_ceremony() {
        let provenance = |fingerprint| Provenance::Ceremony {
            name: "c.ptau".into(),
            digest: FileDigest([0xab; 64]),
            fingerprint,
            accepted: false,
        };
        let pinned = provenance(hermez());
        assert!(pinned.is_secure());
        assert_eq!(
            pinned.to_string(),
            "SRS of the Hermez Powers of Tau, pinned in zkml (file \"c.ptau\", BLAKE2b abababababababab…)"
        );

        let mut other = provenance([7; 32]);
        assert_eq!(other.trust(), Trust::Unverified);
        assert!(!other.is_secure() && other.to_string().starts_with("UNVERIFIED SRS"));
        other.accept(&[[8; 32]]);
        assert!(!other.is_secure());
        other.accept(&[[8; 32], [7; 32]]);
        assert_eq!(other.trust(), Trust::Accepted);
        assert!(other.is_secure() && other.to_string().contains("accepted by whoever gave"));
        // The user's word is for one run: no file carries it.
        let written = serde_json::to_string(&other).unwrap();
        let read: Provenance = serde_json::from_str(&written).unwrap();
        assert_eq!(read.trust(), Trust::Unverified);
        let claimed = written.replacen("\"name\"", "\"accepted\":true,\"name\"", 1);
        assert!(serde_json::from_str::<Provenance>(&claimed).is_err());

        // A label is compared with what the points say.
        assert_eq!(pinned.contradiction(&hermez()), None);
        assert_eq!(other.contradiction(&[7; 32]), None);
        assert!(other.contradiction(&[8; 32]).is_some());
        let (name, digits) = HERMEZ.files[6];
        for (name, digest) in [
            (name, FileDigest([1; 64])),
            ("c.ptau", digits.parse().unwrap()),
            ("the Hermez Powers of Tau", FileDigest([1; 64])),
        ] {
            let label = |fingerprint| Provenance::Ceremony {
                name: name.into(),
                digest,
                fingerprint,
                accepted: false,
            };
            assert_eq!(label(hermez()).contradiction(&hermez()), None);
            let got = label([7; 32]).contradiction(&[7; 32]).unwrap();
            assert!(
                got.contains(HERMEZ.name) && got.contains(&hex::show(&[7; 32])),
                "{got}"
            );
        }
        let development = Provenance::of_seed(&[1; 32]);
        assert!(development.contradiction(&hermez()).is_some());
        assert_eq!(development.contradiction(&[7; 32]), None);

        let mut development = Provenance::of_seed(&[1; 32]);
        development.accept(&[[7; 32]]);
        assert!(!development.is_secure());
    }
}
