//! Allocations whose size follows from input are refused where memory has no room, and nothing is lost by it.

use nhgd_engine::{Batch, Code, Fisher, InverseUpdate, Result, Step, Transition, Vector, room, taken};

/// Entries that no machine has room for.
const HUGE: usize = 1 << 55;

fn fisher(d: usize, layers: Vec<u32>, settings: &str) -> Result<()> {
    let regularizer = Vector::from_vec(vec![1.0]);
    Fisher::new(d, layers, &regularizer, settings, false).map(drop)
}

#[test]
fn what_memory_has_no_room_for_is_refused_with_its_bytes() {
    let layer = || vec![1 << 31, 2];
    let requests: [(&str, Result<()>); 12] = [
        ("room", room::<f64>("entries", HUGE).map(drop)),
        ("a vector", Vector::new(HUGE, "f32").map(drop)),
        ("a vector beyond addresses", Vector::new(usize::MAX, "f64").map(drop)),
        ("a step", Step::new(HUGE, "f64").map(drop)),
        ("an inverse", InverseUpdate::new(1 << 31, 1.0, "f64", 1).map(drop)),
        ("a transition", Transition::uniform(0.5, 1 << 31).map(drop)),
        ("dense", fisher(1 << 31, vec![], r#"{"form":"dense"}"#)),
        ("window", fisher(HUGE, vec![], r#"{"form":"window"}"#)),
        ("diagonal", fisher(HUGE, vec![], r#"{"form":"diagonal"}"#)),
        ("sketch", fisher(HUGE, vec![], r#"{"form":"sketch"}"#)),
        ("kronecker", fisher(1 << 32, layer(), r#"{"form":"kronecker"}"#)),
        ("eigenkronecker", fisher(1 << 32, layer(), r#"{"form":"eigenkronecker"}"#)),
    ];
    for (name, request) in requests {
        let error = request.expect_err(name);
        assert_eq!(error.code, Code::Memory, "{name}: {error}");
        assert!(error.message.contains(" bytes"), "{name}: {error}");
    }
    assert_eq!(Batch::all(HUGE).positions().unwrap_err().code, Code::Range);
    assert_eq!(taken("entries", &[1.0, 2.0]).unwrap(), [1.0, 2.0]);
    assert!(fisher(3, vec![], r#"{"form":"dense"}"#).is_ok());
}

#[test]
fn a_vector_that_was_disposed_of_is_refused_by_every_call() {
    let (x, y) = (Vector::from_vec(vec![1.0, 2.0]), Vector::from_vec(vec![3.0, 4.0]));
    let shared = x.clone();
    x.dispose();
    x.dispose();
    let calls: [(&str, Result<()>); 9] = [
        ("length", shared.length().map(drop)),
        ("dtype", shared.dtype().map(drop)),
        ("read", shared.read_f64().map(drop)),
        ("write", shared.write_f64(&[], None)),
        ("fill", shared.fill(1.0)),
        ("axpy", y.axpy(1.0, &shared)),
        ("copy", y.copy_from(&shared)),
        ("dot", shared.dot(&shared).map(drop)),
        ("norm", shared.norm().map(drop)),
    ];
    for (name, call) in calls {
        assert_eq!(call.expect_err(name).code, Code::Disposed, "{name}");
    }
    assert_eq!(y.read_f64().unwrap(), [3.0, 4.0]);
}
