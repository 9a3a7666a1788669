//! Statement i is slot i: however the words of a batch are cut, and whatever models an attacker registers, the front
//! accepts the honest cut alone.

#![allow(clippy::unwrap_used)]

#[path = "support/partitions.rs"]
mod partitions;

use partitions::{random_cuts, Batch, Count};
use rand::{rngs::StdRng, SeedableRng};

#[test]
fn every_cut_of_a_batch_but_the_honest_is_refused() {
    let mut rng = StdRng::seed_from_u64(1);
    for slots in [
        &[4, 4][..],
        &[3, 9],
        &[8, 5],
        &[4, 4, 4],
        &[6, 3, 5],
        &[3, 3, 3, 3],
        &[5, 3, 4, 3],
    ] {
        let mut batch = Batch::new(slots, &mut rng);
        batch.every_cut();
        let count = batch.count;
        println!("{slots:?}: {count:?}");
        assert!(count.cases > 40);
        // The honest one is met once for each way to claim slots that comes to the same.
        assert!(count.honest > 0);
        assert_eq!(count.accepted, count.honest);
        // An id that lies about the verifier is the liar's own: the front cannot know, and says so of that id alone.
        assert!(count.misnamed > 0);
    }
}

#[test]
fn random_cuts_are_refused() {
    let count = random_cuts(10_000);
    println!("{count:?}");
    let Count {
        cases,
        accepted,
        honest,
        ..
    } = count;
    assert!(cases >= 10_000 + honest && honest >= cases / 201);
    assert_eq!(accepted, honest);
}
