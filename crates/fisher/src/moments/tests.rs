use super::*;

const SHAPE: LayerShape = LayerShape { inputs: 3, outputs: 2 };
const SAMPLES: usize = 5;
const POSITIONS: usize = 4;

/// Numbers between −1 and 1 of a fixed sequence.
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// Factors of a layer that shares its weights, with s_iktc = `s(i, k, t, c)`.
fn shared(directions: usize, s: impl Fn(usize, usize, usize, usize) -> f64) -> Factors<f64> {
    let mut outputs = Vec::new();
    for at in 0..SAMPLES * directions * POSITIONS * SHAPE.outputs {
        let (rest, c) = (at / SHAPE.outputs, at % SHAPE.outputs);
        let (rest, t) = (rest / POSITIONS, rest % POSITIONS);
        outputs.push(s(rest / directions, rest % directions, t, c));
    }
    let inputs = numbers(SAMPLES * POSITIONS * SHAPE.inputs, 1);
    let layer = LayerFactors { positions: POSITIONS, ..LayerFactors::new(inputs, outputs) };
    let weights = numbers(SAMPLES, 2).iter().map(|w| w + 1.5).collect();
    Factors { weights, directions, layers: vec![layer] }
}

/// (1/m) Σ w_i Σ_k g_ik g_ikᵀ with g = vec(U ᵀ(Σ_t a_t s_tᵀ) V), by its definition.
fn exact(
    factors: &Factors<f64>,
    u: &dyn Fn(usize, usize) -> f64,
    v: &dyn Fn(usize, usize) -> f64,
) -> Vec<f64> {
    let LayerShape { inputs, outputs } = SHAPE;
    let (d, k) = (inputs * outputs, factors.directions);
    let layer = &factors.layers[0];
    let mut f = vec![0.0; d * d];
    for i in 0..SAMPLES {
        for direction in 0..k {
            let mut g = vec![0.0; d];
            for t in 0..POSITIONS {
                let a = &layer.inputs[(i * POSITIONS + t) * inputs..][..inputs];
                let s = &layer.outputs[((i * k + direction) * POSITIONS + t) * outputs..][..outputs];
                for j in 0..d {
                    let x: f64 = (0..inputs).map(|p| a[p] * u(p, j / outputs)).sum();
                    let y: f64 = (0..outputs).map(|p| s[p] * v(p, j % outputs)).sum();
                    g[j] += x * y;
                }
            }
            for j in 0..d * d {
                f[j] += factors.weights[i] / SAMPLES as f64 * g[j / d] * g[j % d];
            }
        }
    }
    f
}

fn identity(i: usize, j: usize) -> f64 {
    f64::from(u8::from(i == j))
}

/// Ā ⊗ S̄ / ρ.
fn kronecker(factors: &Factors<f64>, sharing: Sharing) -> Vec<f64> {
    let moments = Moments::of(factors, &[SHAPE], sharing).expect("finite factors");
    let LayerShape { inputs, outputs } = SHAPE;
    let d = inputs * outputs;
    let entry = |moment: &[f64], n: usize, i: usize, j: usize| moment[i.max(j) * n + i.min(j)];
    let layer = &moments.layers[0];
    let product = |at: usize| {
        let (i, j) = (at / d, at % d);
        entry(&layer.inputs, inputs, i / outputs, j / outputs)
            * entry(&layer.outputs, outputs, i % outputs, j % outputs)
            * moments.inverse_weight()
    };
    (0..d * d).map(product).collect()
}

fn distance(x: &[f64], y: &[f64]) -> f64 {
    let largest = y.iter().fold(0.0f64, |m, y| m.max(y.abs()));
    x.iter().zip(y).fold(0.0f64, |m, (x, y)| m.max((x - y).abs())) / largest
}

fn cosine(x: &[f64], y: &[f64]) -> f64 {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    dot(x, y) / (dot(x, x) * dot(y, y)).sqrt()
}

/// What follows the layer in a linear network: b_co = ∂z_c/∂s_o.
fn followed(c: usize, o: usize) -> f64 {
    [[0.7, -1.1], [0.4, 0.9]][c][o]
}

#[test]
fn expand_is_exact_for_a_loss_at_each_position() {
    // A direction per position and score: it is zero at all other positions.
    let expand = shared(POSITIONS * 2, |_, k, t, o| identity(k / 2, t) * followed(k % 2, o));
    let block = exact(&expand, &identity, &identity);
    assert!(distance(&kronecker(&expand, Sharing::Expand), &block) < 1e-14);
    assert!(distance(&kronecker(&expand, Sharing::Reduce), &block) > 0.1);
}

#[test]
fn reduce_is_exact_for_a_loss_at_the_mean() {
    // A direction per score, the same at every position.
    let reduce = shared(2, |_, k, _, o| followed(k, o) / POSITIONS as f64);
    let block = exact(&reduce, &identity, &identity);
    assert!(distance(&kronecker(&reduce, Sharing::Reduce), &block) < 1e-14);
    assert!(distance(&kronecker(&reduce, Sharing::Expand), &block) > 0.1);
}

#[test]
fn elsewhere_both_point_where_gauss_newton_does() {
    // Slopes of an activation that differ by sample, position and output, before a loss at the mean.
    let slopes = numbers(SAMPLES * POSITIONS * 2, 3);
    let slope = |i: usize, t: usize, o: usize| 0.6 + 0.4 * slopes[(i * POSITIONS + t) * 2 + o];
    let general = shared(2, |i, k, t, o| slope(i, t, o) * followed(k, o) / POSITIONS as f64);
    let block = exact(&general, &identity, &identity);
    let cosines = [Sharing::Expand, Sharing::Reduce].map(|form| cosine(&kronecker(&general, form), &block));
    println!("cosine with Gauss–Newton: expand {:.3}, reduce {:.3}", cosines[0], cosines[1]);
    assert!(cosines[0] > 0.5 && cosines[1] > 0.8, "{cosines:?}");
}

#[test]
fn without_sharing_both_are_the_same() {
    let mut factors = shared(3, |i, k, t, o| followed(k % 2, o) + (i * t) as f64);
    factors.layers[0].positions = 1;
    factors.weights = vec![0.5; SAMPLES * POSITIONS];
    let [expand, reduce] = [Sharing::Expand, Sharing::Reduce].map(|form| kronecker(&factors, form));
    assert_eq!(expand, reduce);
}

#[test]
fn diagonals_in_a_basis_are_those_of_the_rotated_gradients() {
    let factors = shared(2, |i, k, t, o| followed(k, o) + 0.3 * (i + 2 * t) as f64);
    let (cos, sin) = (0.6, 0.8);
    let u = [[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]];
    let v = [[cos, sin], [-sin, cos]];
    let basis = Basis { inputs: u.concat(), outputs: v.concat(), nulls: [0; 2] };
    let expected = exact(&factors, &|i, j| u[i][j], &|i, j| v[i][j]);
    let diagonal: Vec<f64> = expected.iter().step_by(7).copied().collect();
    let got = layer_diagonal(&factors.weights, 2, &factors.layers[0], SHAPE, Some(&basis)).unwrap();
    assert!(distance(&got, &diagonal) < 1e-14);
}

#[test]
fn softmax_outputs_have_the_moments_of_their_directions() {
    let p: Vec<f64> = numbers(SAMPLES, 4).iter().flat_map(|x| [0.5 + 0.5 * x, 0.5 - 0.5 * x]).collect();
    let inputs = numbers(SAMPLES * SHAPE.inputs, 1);
    let mut explicit = Vec::new();
    for p in p.chunks_exact(2) {
        for k in 0..2 {
            explicit.extend((0..2).map(|c| p[k].sqrt() * (p[c] - identity(c, k))));
        }
    }
    let compact = LayerFactors { form: Outputs::Softmax, ..LayerFactors::new(inputs.clone(), p) };
    let weights = vec![0.3, 1.0, 0.0, 2.0, 0.7];
    let both = [compact, LayerFactors::new(inputs, explicit)].map(|layer| Factors {
        weights: weights.clone(),
        directions: 2,
        layers: vec![layer],
    });
    let [compact, explicit] = both.each_ref().map(|factors| kronecker(factors, Sharing::Expand));
    assert!(distance(&compact, &explicit) < 1e-14);
    let basis = Basis {
        inputs: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        outputs: vec![0.6, 0.8, -0.8, 0.6],
        nulls: [0; 2],
    };
    for basis in [None, Some(&basis)] {
        let [compact, explicit] =
            both.each_ref().map(|f| layer_diagonal(&weights, 2, &f.layers[0], SHAPE, basis).unwrap());
        assert!(distance(&compact, &explicit) < 1e-14);
    }
}
