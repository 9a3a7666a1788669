//! The kinds of artefact.

/// The artefacts that are kept in containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Structured reference string.
    Srs,
    /// Proving key of a model circuit.
    ProvingKey,
    /// Verifying key of a model circuit.
    VerifyingKey,
    /// Proof of a model circuit.
    Proof,
    /// Public statement of a proof.
    Statement,
    /// Proof with all that an aggregation needs of it.
    Snark,
    /// Weights and salt that open a model commitment.
    Opening,
    /// Proving key of an aggregation circuit.
    AggregationKey,
    /// Aggregated proof.
    AggregationProof,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 9] = [
        Kind::Srs,
        Kind::ProvingKey,
        Kind::VerifyingKey,
        Kind::Proof,
        Kind::Statement,
        Kind::Snark,
        Kind::Opening,
        Kind::AggregationKey,
        Kind::AggregationProof,
    ];

    /// The four bytes that stand for the kind in a file.
    pub const fn tag(self) -> [u8; 4] {
        match self {
            Kind::Srs => *b"SRS ",
            Kind::ProvingKey => *b"PKEY",
            Kind::VerifyingKey => *b"VKEY",
            Kind::Proof => *b"PROF",
            Kind::Statement => *b"STMT",
            Kind::Snark => *b"SNRK",
            Kind::Opening => *b"OPEN",
            Kind::AggregationKey => *b"AKEY",
            Kind::AggregationProof => *b"APRF",
        }
    }

    /// The kind with its article, as messages name it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Srs => "an SRS",
            Kind::ProvingKey => "a proving key",
            Kind::VerifyingKey => "a verifying key",
            Kind::Proof => "a proof",
            Kind::Statement => "a statement",
            Kind::Snark => "a snark",
            Kind::Opening => "a commitment opening",
            Kind::AggregationKey => "an aggregation key",
            Kind::AggregationProof => "an aggregated proof",
        }
    }

    /// What to do about a file of the format version `got`, where another is expected.
    pub(super) fn renewal(self, expected: u32, got: u32) -> String {
        if got > expected {
            return "it was made by a later version of zkml: use that one".into();
        }
        let again = match self {
            Kind::ProvingKey | Kind::VerifyingKey | Kind::Opening => "run `zkml setup` again",
            Kind::Proof | Kind::Statement | Kind::Snark => "run `zkml prove` again",
            Kind::AggregationKey => "delete it, and run `zkml aggregate` again",
            Kind::AggregationProof => "run `zkml aggregate` again",
            Kind::Srs => "run `zkml srs import` again",
        };
        format!("it was made by an earlier version of zkml: {again}")
    }

    /// The name that belongs to four bytes of a file.
    pub(super) fn name_of_tag(tag: [u8; 4]) -> String {
        match Self::ALL.iter().find(|kind| kind.tag() == tag) {
            Some(kind) => kind.name().to_owned(),
            None => format!("the unknown kind \"{}\"", tag.escape_ascii()),
        }
    }
}
