//! Each request for memory whose size follows from input is refused in turn: a typed error every time, and what was asked
//! for works afterwards.

#[path = "../../kernels/tests/support/failing.rs"]
mod failing;

use std::sync::{Mutex, MutexGuard};

use failing::Failing;
use nhgd_engine::kernels::{
    cholesky_inverse, cholesky_solve, conjugate_gradients, descend, gemm, kronecker_solve, per_sample_gram,
    symmetric_eigen, syrk, weighted_gram,
};
use nhgd_engine::{
    Batch, Code, Error, Features, Fisher, InverseUpdate, Optimizer, Point, Predictor, Problem, Result,
    Sampler, Samples, Step, Transition, Vector,
};

#[global_allocator]
static MEMORY: Failing = Failing::new();

/// Tests take turns: a request of another would be counted.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|e| e.into_inner())
}

/// Samples, and features or classes where they are many: their vectors of numbers count as requests.
const MANY: usize = 113;

fn numbers(count: usize, seed: usize) -> Vec<f64> {
    (0..count).map(|i| ((i * i + 7 * i) as f64 * 1.3 + seed as f64).sin()).collect()
}

fn vector(count: usize, seed: usize) -> Vector {
    Vector::from_vec(numbers(count, seed))
}

fn zeros(count: usize) -> Vector {
    Vector::from_vec(vec![0.0; count])
}

fn assert_full(name: &str, error: &Error) {
    assert_eq!(error.code, Code::Memory, "{name}: {error}");
    assert!(error.message.contains(" bytes"), "{name}: {error}");
}

fn assert_close(name: &str, got: &[f64], expected: &[f64]) {
    let size = expected.iter().fold(1e-300f64, |size, x| size.max(x.abs()));
    let close = |(got, expected): (&f64, &f64)| (got - expected).abs() <= 1e-9 * size;
    assert!(got.len() == expected.len() && got.iter().zip(expected).all(close), "{name}");
}

/// `work` gives the same whenever it is asked, but for the requests that are refused. Returns how many there were.
fn survives(name: &str, mut work: impl FnMut() -> Result<Vec<f64>>) -> usize {
    let expected = work().expect(name);
    for k in 1.. {
        let (result, refused) = MEMORY.during(k, &mut work);
        if !refused {
            assert_eq!(result.expect(name), expected, "{name}");
            return k - 1;
        }
        assert_full(name, &result.expect_err(&format!("{name}, request {k}")));
        assert_eq!(work().expect(name), expected, "{name} after request {k}");
    }
    unreachable!()
}

fn samples(rows: usize, columns: usize, classes: usize) -> Samples {
    let features = Features::f64(numbers(rows * columns, 1), rows, columns, 1.0).unwrap();
    let labels = (0..rows).map(|i| (i * 5 % 7 % classes) as u32).collect();
    Samples::new(&features, Some((0..rows as u32).collect()), labels).unwrap()
}

fn settings(model: &str, blocks: &str) -> String {
    format!(
        r#"{{"dtype":"f64","model":{model},"regularization":0.01,"blocks":[{blocks}],"outer":"validation"}}"#
    )
}

/// Problems over samples with few parameters and few classes, or many of either, and others.
fn problems() -> Vec<(&'static str, Problem)> {
    let softmax = |classes| format!(r#"{{"kind":"softmax","classes":{classes},"bias":true}}"#);
    let mlp = r#"{"kind":"mlp","hidden":[9],"classes":3,"activation":"tanh","loss":"crossEntropy"}"#;
    let linear = r#"{"kind":"linear","outputs":2,"bias":false}"#;
    let logistic = r#"{"kind":"logistic","bias":true}"#;
    let weights = r#"{"kind":"sampleWeights","anchors":5}"#;
    let margins = r#"{"kind":"marginWeights","anchors":5}"#;
    let penalty = r#"{"kind":"penalty","per":"feature","bias":false,"learned":true}"#;
    let inputs = r#"{"kind":"learnedInputs"},{"kind":"learnedTargets"}"#;
    let network = format!(
        r#"{{"kind":"weightNetwork","anchors":0,"rows":{MANY},"columns":2,"hidden":3,"right":[1,2],"wrong":[4]}}"#
    );
    let bilevel = |model: &str, blocks: &str, columns, classes, given: usize| {
        let (train, validation) = (samples(MANY, columns, classes), samples(MANY + 9, columns, classes));
        let given = (given > 0).then(|| numbers(given, 8).iter().map(|x| x.abs()).collect());
        Problem::bilevel(&settings(model, blocks), &train, &validation, 2, given).unwrap()
    };
    let fixed = r#"{"kind":"fixedWeights"}"#;
    let fold = bilevel(&softmax(3), penalty, 40, 3, 0);
    let equations = |p: usize| {
        let width = 2 + 2 + 5 + p;
        numbers(150 * width, 3)
            .chunks(width)
            .flat_map(|row| [&row[..2], &[0.5], &row[3..]].concat())
            .collect()
    };
    let d = MANY;
    let mut diagonal = vec![0.0; d * d];
    diagonal.iter_mut().step_by(d + 1).enumerate().for_each(|(i, x)| *x = 1.0 + i as f64);
    let (c, c0, t) = (numbers(d * 140, 1), numbers(d, 2), numbers(d, 3));
    let physics = Problem::physics(
        vec![13, 11],
        2,
        false,
        0.1,
        vec![0.0; 140],
        vec![0.1; 140],
        equations(140),
        equations(0),
        2,
    );
    vec![
        ("softmax", bilevel(&softmax(3), weights, 40, 3, 0)),
        ("many classes", bilevel(&softmax(MANY), margins, 2, 7, 0)),
        ("many features", bilevel(logistic, penalty, MANY, 2, 0)),
        ("perceptron", bilevel(mlp, &format!("{weights},{fixed}"), 12, 3, MANY)),
        ("linear", bilevel(linear, weights, 70, 2, 0)),
        ("learned samples", bilevel(&softmax(3), inputs, 40, 3, 0)),
        ("network of weights", bilevel(&softmax(3), &network, 40, 3, 2 * MANY)),
        ("folds", fold.with_fold(&fold).unwrap()),
        ("quadratic", Problem::quadratic("f64", diagonal.clone(), c, c0, diagonal, t, 0.1).unwrap()),
        ("physics", physics.unwrap()),
    ]
}

/// A point where every oracle can be asked.
fn point(problem: &Problem) -> Point {
    let signals = zeros(problem.signals_length());
    let point = Point::new(&vector(problem.inner_length(), 5), &vector(problem.outer_length(), 6), &signals);
    problem.refresh(&point).unwrap();
    point
}

#[test]
fn problems_are_made() {
    let _alone = alone();
    let (train, validation) = (samples(MANY, 40, 3), samples(MANY, 40, 3));
    let model = r#"{"kind":"softmax","classes":3,"bias":true}"#;
    for blocks in [
        r#"{"kind":"sampleWeights","anchors":1}"#,
        r#"{"kind":"marginWeights","anchors":1}"#,
        r#"{"kind":"fixedWeights"}"#,
        r#"{"kind":"penalty","per":"feature","bias":true,"learned":false}"#,
    ] {
        let settings = settings(model, blocks);
        let given = blocks.contains("fixed").then(|| vec![0.5; MANY]);
        survives(blocks, || {
            let problem = Problem::bilevel(&settings, &train, &validation, 2, given.clone_fallibly()?)?;
            Ok(vec![problem.outer_length() as f64])
        });
    }
    for (name, problem) in problems().into_iter().filter(|(name, _)| *name != "folds") {
        survives(name, || problem.with_fold(&problem).map(|both| vec![both.inner_length() as f64]));
    }
}

/// Clones that the test itself makes can be refused as well.
trait CloneFallibly: Sized {
    fn clone_fallibly(&self) -> Result<Self>;
}

impl CloneFallibly for Option<Vec<f64>> {
    fn clone_fallibly(&self) -> Result<Self> {
        self.as_deref().map(|x| nhgd_engine::taken("weights", x)).transpose()
    }
}

#[test]
fn oracles_answer() {
    let _alone = alone();
    let mut refusals = 0;
    for (name, problem) in problems() {
        let (point, d, p) = (point(&problem), problem.inner_length(), problem.outer_length());
        let batch = Batch::of((0..problem.samples() as u32).rev().collect());
        let u = vector(d, 7);
        let (inner, outer) = (zeros(d), zeros(p));
        let mut ask = |what: &str, work: &mut dyn FnMut() -> Result<Vec<f64>>| {
            refusals += survives(&format!("{what} of {name}"), work);
        };
        ask("initial", &mut || problem.initial(1)?.read_f64());
        ask("regularizer", &mut || problem.regularizer(&point)?.read_f64());
        ask("inner gradient", &mut || {
            problem.inner_gradient(&point, &batch, &inner)?;
            inner.read_f64()
        });
        ask("losses", &mut || Ok(vec![problem.inner_loss(&point)?, problem.outer_loss(&point)?]));
        ask("outer gradient", &mut || {
            problem.outer_gradient(&point, &outer, &inner, None)?;
            inner.read_f64()
        });
        ask("cross product", &mut || {
            outer.fill(1.0)?;
            let asked = problem.cross_product(&point, &batch, &u, 0.5, &outer);
            assert!(asked.is_ok() || outer.norm()? == (p as f64).sqrt(), "it adds all or nothing");
            asked?;
            outer.read_f64()
        });
        ask("curvature product", &mut || {
            problem.curvature_product(&point, &batch, &u, &inner)?;
            inner.read_f64()
        });
        ask("Hessian product", &mut || {
            problem.hessian_product(&point, &batch, &u, &inner)?;
            inner.read_f64()
        });
        ask("signals", &mut || {
            problem.refresh(&point)?;
            point.signals().read_f64()
        });
        if name == "quadratic" {
            for hessian in [false, true] {
                ask("exact direction", &mut || {
                    problem.exact_direction(&point, &u, &inner, hessian)?;
                    inner.read_f64()
                });
            }
        }
        if problem.weights(&point).is_ok() {
            ask("weights", &mut || problem.weights(&point)?.read_f64());
            ask("natural", &mut || problem.natural(0, &point)?.read_f64());
        }
        if problem.sensitivities(&point, &batch, &u).is_ok() {
            ask("sensitivities", &mut || problem.sensitivities(&point, &batch, &u)?.read_f64());
        }
        for rows in ["mean", "signed", "perSample"] {
            for statistic in ["empirical", "sampled", "expected"] {
                if rows == "perSample" && d > 300 && statistic == "expected" {
                    continue;
                }
                let form = format!(r#"{{"form":"diagonal","rows":"{rows}","statistic":"{statistic}"}}"#);
                let fisher = Fisher::new(d, vec![], &Vector::from_vec(vec![1.0]), &form, false).unwrap();
                let step = Step::new(d, "f64").unwrap();
                ask(&format!("{rows} {statistic}"), &mut || {
                    problem.inner_step_for(&point, &batch, &step, &fisher, 3)?;
                    step.gradient().read_f64()
                });
            }
        }
    }
    assert!(refusals > 500, "{refusals}");
}

#[test]
fn chunks_of_several_threads_answer() {
    let _alone = alone();
    let set = samples(3000, 4, 3);
    let settings =
        settings(r#"{"kind":"softmax","classes":3,"bias":true}"#, r#"{"kind":"sampleWeights","anchors":0}"#);
    let problem = Problem::bilevel(&settings, &set, &set, 2, None).unwrap();
    let (point, inner) = (point(&problem), zeros(problem.inner_length()));
    let refusals = survives("a gradient in chunks", || {
        problem.inner_gradient(&point, &Batch::all(3000), &inner)?;
        inner.read_f64()
    });
    assert!(refusals > 5, "{refusals}");
}

/// Forms with the problems that they observe, and whether D has an entry per parameter.
fn forms() -> Vec<(String, Problem, bool)> {
    let problems = problems();
    let of = |name: &str| &problems.iter().find(|(of, _)| *of == name).unwrap().1;
    let (features, classes) = (of("many features"), of("many classes"));
    let all = [
        (r#""dense","damping":1e-3"#, features, true),
        (r#""dense","rows":"perSample""#, features, false),
        (r#""dense","start":"decaying","damping":0.5"#, features, false),
        (r#""dense","start":"decaying","damping":0.5,"rows":"perSample""#, features, true),
        (r#""window","length":140"#, features, true),
        (r#""window","length":140,"rows":"perSample","smoothing":"average""#, features, false),
        (r#""window","length":40,"rows":"perSample""#, features, true),
        (r#""window","length":40,"rows":"perSample","start":"decaying","damping":0.5"#, features, false),
        (r#""diagonal""#, features, true),
        (r#""sketch","rank":35,"rows":"perSample""#, features, false),
        (r#""sketch","rank":3"#, features, true),
        (r#""samples","samples":200"#, features, false),
        (r#""samples","samples":100,"statistic":"expected""#, features, true),
        (r#""kronecker""#, features, true),
        (r#""kronecker","statistic":"expected""#, classes, false),
        (r#""kronecker","kroneckerDamping":"split""#, features, false),
        (r#""kronecker","kroneckerDamping":"split","statistic":"expected""#, classes, true),
        (r#""eigenkronecker","basisEvery":1"#, features, true),
        (r#""eigenkronecker","statistic":"expected""#, classes, false),
    ];
    all.map(|(form, problem, vector)| (format!(r#"{{"form":{form}}}"#), problem.clone(), vector)).into()
}

fn solve(fisher: &Fisher, b: &Vector) -> Result<Vec<f64>> {
    let x = Vector::new(b.length()?, "f64")?;
    fisher.solve(b, &x)?.wait()()?;
    x.read_f64()
}

#[test]
fn fishers_are_made_and_observe_and_solve_and_are_saved() {
    let _alone = alone();
    for (form, problem, vector_of_d) in forms() {
        let d_entries = if vector_of_d { problem.inner_length() } else { 1 };
        let regularizer: Vec<f64> = (0..d_entries).map(|i| 0.1 + 0.01 * i as f64).collect();
        let (point, d) = (point(&problem), problem.inner_length());
        let (first, b) = (Vector::from_vec(regularizer), vector(d, 4));
        let new = || Fisher::new(d, problem.layers(), &first, &form, false);
        let name = format!("{form} with {} entries of D", first.length().unwrap());
        survives(&name, || new().map(|fisher| vec![fisher.rows().len() as f64]));

        let [before, after] = [0, 50].map(|from| {
            let step = Step::new(d, "f64").unwrap();
            let batch = Batch::of((from..from + 50).collect());
            problem.inner_step_for(&point, &batch, &step, &new().unwrap(), 3).unwrap();
            step
        });
        let started = || {
            let fisher = new().unwrap();
            fisher.try_observe(&before).unwrap();
            fisher
        };
        type Change<'a> = (&'a str, &'a dyn Fn(&Fisher) -> Result<()>);
        let other = Vector::from_vec((0..d).map(|i| 0.2 + 0.02 * (i % 7) as f64).collect::<Vec<_>>());
        let saved = {
            let fisher = started();
            fisher.try_observe(&after).unwrap();
            fisher.save().wait()().unwrap()
        };
        let changes: [Change<'_>; 4] = [
            ("observe", &|fisher| fisher.try_observe(&after).map(drop)),
            ("refresh", &|fisher| fisher.try_refresh(&after).map(drop)),
            ("set the regularizer", &|fisher| fisher.set_regularizer(&other)),
            ("restore", &|fisher| fisher.restore(&saved)?.wait()()),
        ];
        for (what, change) in changes {
            let changed = |fisher: &Fisher| {
                change(fisher)?;
                solve(fisher, &b)
            };
            let expected = changed(&started()).unwrap_or_else(|e| panic!("{name}, {what}: {e}"));
            for solved in [false, true] {
                for k in 1.. {
                    let fisher = started();
                    let old = if solved { Some(solve(&fisher, &b).unwrap()) } else { None };
                    let (result, refused) = MEMORY.during(k, || change(&fisher));
                    if !refused {
                        break;
                    }
                    let name = format!("{name}, {what}, request {k}");
                    // What a queue does tells of its failure at the next solve. A refresh may put its work off.
                    let told = result.and_then(|()| solve(&fisher, &b));
                    match told {
                        Ok(_) => assert!(what == "refresh", "{name}"),
                        Err(error) => {
                            assert_full(&name, &error);
                            if let Some(old) = old {
                                assert_close(&name, &solve(&fisher, &b).unwrap(), &old);
                            }
                            change(&fisher).unwrap();
                        }
                    }
                    assert_close(&name, &solve(&fisher, &b).expect(&name), &expected);
                }
            }
        }
        let expected = solve(&started(), &b).unwrap();
        for k in 1.. {
            let fisher = started();
            let (result, refused) = MEMORY.during(k, || solve(&fisher, &b));
            if !refused {
                break;
            }
            assert_full(&name, &result.expect_err(&format!("{name}, solve, request {k}")));
            assert_close(&name, &solve(&fisher, &b).unwrap(), &expected);
        }
        let fisher = started();
        survives(&format!("{name}, save"), || {
            Ok(fisher.save().wait()()?.iter().map(|&byte| f64::from(byte)).sum::<f64>()).map(|x| vec![x])
        });
    }
}

#[test]
fn a_fisher_beside_its_caller_tells_at_the_next_solve() {
    let _alone = alone();
    let d = 200;
    let new = || Fisher::new(d, vec![], &Vector::from_vec(vec![0.1]), r#"{"form":"window"}"#, true).unwrap();
    let (rows, b) = (vector(3 * d, 1), vector(d, 2));
    let observed = |fisher: &Fisher| {
        fisher.try_observe_rows(&rows)?;
        solve(fisher, &b)
    };
    let expected = observed(&new()).unwrap();
    let mut k = 1;
    loop {
        let fisher = new();
        let (result, refused) = MEMORY.during(k, || observed(&fisher));
        if !refused {
            break;
        }
        assert_full("a Fisher beside its caller", &result.unwrap_err());
        fisher.reset();
        assert_close("a Fisher beside its caller", &observed(&fisher).unwrap(), &expected);
        k += 1;
    }
    assert!(k > 5, "{k}");
}

#[test]
fn steps_are_taken() {
    let _alone = alone();
    let d = 2 * MANY;
    let g = vector(d, 1);
    for rule in [
        r#"{"kind":"sgd"}"#,
        r#"{"kind":"momentum","momentum":0.9}"#,
        r#"{"kind":"adam","beta1":0.9,"beta2":0.99,"epsilon":1e-8,"shared":false}"#,
    ] {
        let optimizer = Optimizer::new(rule).unwrap();
        survives(rule, || {
            optimizer.reset();
            let x = Vector::new(d, "f64")?;
            optimizer.step(&x, &g, 0.1)?;
            optimizer.restore(&optimizer.save()?)?;
            optimizer.step(&x, &g, 0.1)?;
            x.read_f64()
        });
    }
    let sampler = Sampler::new(5, 900).unwrap();
    let saved = sampler.save().unwrap();
    survives("a sampler", || {
        sampler.restore(&saved)?;
        sampler.take(400)?;
        let batch = sampler.take(700)?;
        Ok(batch.positions()?.iter().map(|&i| f64::from(i)).sum::<f64>()).map(|x| vec![x])
    });
    survives("a new sampler", || Sampler::new(5, 900).map(|sampler| vec![sampler.seed()]));
    survives("a step", || Step::new(d, "f64").map(|_| vec![]));
    let (step, batch) = (Step::new(d, "f64").unwrap(), Batch::all(3));
    survives("a step from elsewhere", || step.keep(&batch, &g).map(|()| vec![]));
}

#[test]
fn models_predict_and_transitions_are_estimated() {
    let _alone = alone();
    let features = Features::f64(numbers(MANY * 30, 1), MANY, 30, 1.0).unwrap();
    for (model, d) in [
        (r#"{"kind":"softmax","classes":5,"bias":true}"#, 31 * 5),
        (r#"{"kind":"mlp","hidden":[7],"classes":5,"activation":"relu","loss":"squared"}"#, 31 * 7 + 8 * 5),
    ] {
        let (predictor, theta) = (Predictor::new(model, 2).unwrap(), vector(d, 2));
        survives(model, || predictor.probabilities(&theta, &features, &Batch::all(MANY))?.read_f64());
    }
    let p = Vector::from_vec(vec![1.0 / MANY as f64; 3 * MANY]);
    survives("a transition", || {
        let transition = Transition::uniform(0.6, MANY)?.estimate(&p, &[0, 5, 9], 1.0)?;
        transition.entries()?;
        transition.margins(&p, &[0, 5, 9], 1.0)
    });
}

#[test]
fn bare_kernels_compute() {
    let _alone = alone();
    let n = 150;
    let mut positive = numbers(n * n, 1);
    for i in 0..n {
        (0..i).for_each(|j| positive[i * n + j] = positive[j * n + i]);
        positive[i * n + i] = 2.0 * n as f64 + i as f64;
    }
    let a = Vector::from_vec(positive);
    let (b, c) = (vector(n * 3, 2), vector(n * n, 3));
    let wide = vector(n * 140, 4);
    let result = |work: &dyn Fn(&Vector) -> Result<()>, from: &Vector| {
        let out = Vector::from_vec(from.read_f64()?);
        work(&out)?;
        out.read_f64()
    };
    survives("gemm", || result(&|out| gemm(n, n, n, 1.0, &a, &c, 0.5, out), &c));
    survives("syrk", || result(&|out| syrk(n, 140, 1.0, &wide, 0.5, out), &a));
    let weights = vector(140, 5);
    survives("weighted gram", || result(&|out| weighted_gram(n, 140, &wide, &weights, out), &a));
    survives("per-sample gram", || result(&|out| per_sample_gram(n, 140, 3, &wide, &b, out), &c));
    survives("cholesky solve", || result(&|out| cholesky_solve(n, 3, &a, out), &b));
    survives("cholesky inverse", || result(&|out| cholesky_inverse(n, &a, out), &c));
    let (values, vectors) = (zeros(n), zeros(n * n));
    survives("eigen", || {
        symmetric_eigen(n, &a, &values, &vectors)?;
        values.read_f64()
    });
    symmetric_eigen(n, &a, &values, &vectors).unwrap();
    let (small, basis) = (Vector::from_vec(vec![1.0; 3]), Vector::from_vec(vec![0.5; 9]));
    let solve = |out: &Vector| kronecker_solve(n, 3, &values, &vectors, &small, &basis, 0.1, out);
    survives("kronecker solve", || result(&solve, &b));
    let right = vector(n, 6);
    let steps = |out: &Vector| conjugate_gradients(n, &a, &right, out, 1e-9, 100).map(drop);
    survives("conjugate gradients", || result(&steps, &right));
    let strengths = Vector::from_vec(vec![0.1; n]);
    survives("descent", || {
        let (theta, rest) = (Vector::new(n, "f64")?, Vector::from_vec(right.read_f64()?));
        descend(n, n, &a, true, &strengths, 1.0, 1e-6, &theta, &rest, 1e-6, 50)?;
        theta.read_f64()
    });
    let d = 600;
    let (one, many, x) = (vector(d, 1), vector(29 * d, 2), vector(d, 3));
    let (gammas, y) = (vec![0.1; 29], zeros(d));
    survives("an inverse", || {
        let inverse = InverseUpdate::new(d, 2.0, "f64", 2)?;
        (0..20).try_for_each(|_| inverse.update(&one, 0.9, 0.1))?;
        inverse.update_many(&many, 0.9, &gammas)?;
        inverse.multiply(&x, &y)?;
        y.read_f64()
    });
    let inverse = InverseUpdate::new(d, 2.0, "f64", 1).unwrap();
    let product = || {
        inverse.multiply(&x, &y).unwrap();
        y.read_f64().unwrap()
    };
    for k in 1.. {
        let before = product();
        let (result, refused) = MEMORY.during(k, || inverse.update_many(&many, 0.9, &gammas));
        if !refused {
            assert!(k > 10, "{k}");
            break;
        }
        assert_full("an update of an inverse", &result.unwrap_err());
        assert_close("an update of an inverse is given back", &product(), &before);
    }
}
