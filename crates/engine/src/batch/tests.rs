use super::*;

fn positions(batch: &Batch) -> Vec<usize> {
    let positions: Vec<usize> = batch.positions().unwrap().iter().map(|i| *i as usize).collect();
    assert_eq!(positions, (0..batch.length()).map(|i| batch.rows().get(i)).collect::<Vec<_>>());
    positions
}

/// The expected numbers come from the authors' C code, seeded with their SplitMix64 at 42.
#[test]
fn the_generator_is_xoshiro() {
    let mut random = Generator::new(42);
    assert_eq!(
        [0; 4].map(|_: u64| random.next()),
        [15021278609987233951, 5881210131331364753, 18149643915985481100, 12933668939759105464]
    );
}

#[test]
fn seeds_are_whole_numbers() {
    assert_eq!(seed_bits(-0.0), seed_bits(0.0));
    assert!(seed_bits(9_007_199_254_740_991.0).is_ok());
    for seed in [f64::NAN, 0.5, -1.0, f64::INFINITY, 9_007_199_254_740_992.0] {
        assert_eq!(seed_bits(seed).unwrap_err().code, Code::Range);
    }
}

#[test]
fn a_restored_sampler_goes_on_with_the_same_draws() {
    let sampler = Sampler::new(7, 10).unwrap();
    sampler.take(4).unwrap();
    let saved = sampler.save().unwrap();
    let other = Sampler::new(8, 10).unwrap();
    other.restore(&saved).unwrap();
    for _ in 0..9 {
        assert_eq!(sampler.take(4).unwrap().positions(), other.take(4).unwrap().positions());
        assert_eq!(sampler.seed(), other.seed());
    }
    let twice = [&saved[..36], &saved[36..40], &saved[36..72]].concat();
    let used = [&saved[..32], &[11, 0, 0, 0], &saved[36..]].concat();
    for bad in [&saved[..75], &[&saved[..], &[0]].concat(), &[], &twice, &used] {
        assert_eq!(other.restore(bad).unwrap_err().code, Code::Checkpoint);
    }
    assert_eq!(Sampler::new(0, 9).unwrap().restore(&saved).unwrap_err().code, Code::Checkpoint);
    assert_eq!(sampler.save().unwrap(), other.save().unwrap());
}

#[test]
fn an_epoch_uses_every_sample_once() {
    let sampler = Sampler::new(3, 12).unwrap();
    for _ in 0..3 {
        let mut seen: Vec<usize> = (0..4).flat_map(|_| positions(&sampler.take(3).unwrap())).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..12).collect::<Vec<_>>());
    }
}

#[test]
fn seeds_decide_the_draws() {
    let draw = |seed| positions(&Sampler::new(seed, 1000).unwrap().take(10).unwrap());
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn bad_sizes_are_refused() {
    assert_eq!(Sampler::new(0, 0).unwrap_err().code, Code::Range);
    assert_eq!(Sampler::new(0, 5).unwrap().take(0).unwrap_err().code, Code::Range);
    assert_eq!(Sampler::new(0, 5).unwrap().take(9).unwrap().length(), 5);
    assert_eq!(Batch::of(vec![0, 7]).checked(7).unwrap_err().code, Code::Range);
    assert_eq!(Batch::of(vec![]).checked(7).unwrap_err().code, Code::Shape);
}
