use super::*;

const LAYERS: [LayerShape; 2] = [LayerShape { inputs: 3, outputs: 2 }, LayerShape { inputs: 3, outputs: 1 }];

fn groups(per: &Per, bias: bool, layers: &[LayerShape]) -> Vec<u32> {
    Groups::new(per, bias, layers, 2).unwrap().expect("good groups").of
}

#[test]
fn groups_follow_the_rows_of_layers_and_leave_a_bias_free() {
    let (one, free) = (&LAYERS[..1], FREE);
    assert_eq!(groups(&Per::All, false, &LAYERS), [0, 0, 0, 0, free, free, 0, 0, free]);
    assert_eq!(groups(&Per::Layer, true, &LAYERS), [0, 0, 0, 0, 0, 0, 1, 1, 1]);
    assert_eq!(groups(&Per::Feature, false, one), [0, 0, 1, 1, free, free]);
    assert_eq!(groups(&Per::Feature, true, one), [0, 0, 1, 1, 2, 2]);
    assert_eq!(groups(&Per::Group(vec![1, 0]), false, one), [1, 1, 0, 0, free, free]);
    assert_eq!(groups(&Per::Group(vec![0, 0]), true, one), [0, 0, 0, 0, 1, 1]);
    assert_eq!(groups(&Per::Group(vec![0, 1, 0, 1, 0, 0]), true, one), [0, 1, 0, 1, 0, 0]);
}

#[test]
fn groups_that_do_not_fit_are_refused() {
    let error = |per, layers| Groups::new(&per, false, layers, 2).unwrap().expect_err("a misfit").0;
    assert_eq!(error(Per::Feature, &LAYERS[..]), "per");
    assert_eq!(error(Per::Group(vec![0, 1]), &LAYERS[..]), "groups");
    let wide = [LAYERS[0], LayerShape { inputs: 5, outputs: 1 }]; // more units than features
    assert_eq!(error(Per::Group(vec![0, 1]), &wide), "groups");
    assert_eq!(error(Per::Group(vec![0, 2]), &LAYERS[..1]), "groups");
    assert_eq!(error(Per::Group(vec![0, FREE - 1]), &LAYERS[..1]), "groups");
    assert_eq!(error(Per::Group(vec![0; 5]), &LAYERS[..1]), "groups");
}

/// The derivative of `value` at `x` along entry j.
fn difference(x: &[f64], j: usize, value: impl Fn(&[f64]) -> f64) -> f64 {
    let at = |by: f64| {
        let mut x = x.to_vec();
        x[j] += by;
        value(&x)
    };
    (at(1e-6) - at(-1e-6)) / 2e-6
}

const THETA: [f64; 6] = [0.4, -1.0, 0.7, 0.2, -0.3, 1.5];

fn both(feature: Power, all: Power) -> Penalty<f64> {
    let groups = |per, bias| Groups::new(per, bias, &LAYERS[..1], 2).unwrap().expect("good groups");
    let first = (0, groups(&Per::All, false), all);
    let second = (1 + all.len(), groups(&Per::Feature, true), feature);
    Penalty::new(0.1, vec![first, second])
}

#[test]
fn derivatives_are_those_of_the_value() {
    let powers = [Power::Fixed(2.0), Power::Fixed(1.0), Power::Fixed(0.4), Power::Learned];
    for (feature, all) in powers.iter().flat_map(|&a| powers.map(|b| (a, b))) {
        let penalty = both(feature, all);
        let v = &[0.3, -0.5, 0.2, 1.0, -0.7, 0.4][..4 + feature.len() + all.len()];
        let u = [1.0, 0.5, -0.2, 0.3, 2.0, -1.0];
        let gradient = |v: &[f64], theta: &[f64]| {
            let mut gradient = [0.0; 6];
            penalty.add_gradient(v, theta, &mut gradient).unwrap();
            gradient
        };
        let (mut product, mut cross) = ([0.0; 6], vec![0.0; v.len()]);
        penalty.add_product(v, &THETA, &u, &mut product).unwrap();
        for (at, own) in penalty.cross(v, &THETA, &u).unwrap() {
            cross[at..at + own.len()].copy_from_slice(&own);
        }
        for j in 0..6 {
            let first = difference(&THETA, j, |theta| penalty.value(v, theta).unwrap());
            assert!((first - gradient(v, &THETA)[j]).abs() < 1e-8);
            let second = difference(&THETA, j, |theta| vector::dot(&gradient(v, theta), &u));
            assert!((second - product[j]).abs() < 1e-8 * (1.0 + second.abs()), "{feature:?} {all:?}");
        }
        for (k, cross) in cross.iter().enumerate() {
            let mixed = difference(v, k, |v| vector::dot(&gradient(v, &THETA), &u));
            assert!((mixed - cross).abs() < 1e-8, "{feature:?} {all:?}");
        }
    }
}

#[test]
fn the_majorizer_touches_from_above() {
    let penalty = both(Power::Fixed(0.5), Power::Fixed(1.0));
    let v = [0.3, -0.5, 0.2, 1.0];
    let Diagonal::Vector(d) = penalty.diagonal(&v, &THETA).unwrap() else { panic!("a vector") };
    let (mut gradient, value) = ([0.0; 6], penalty.value(&v, &THETA).unwrap());
    penalty.add_gradient(&v, &THETA, &mut gradient).unwrap();
    for (j, by) in (0..6).flat_map(|j| [-2.0, -0.4, 1e-3, 0.3, 1.0].map(|by| (j, by))) {
        let mut moved = THETA;
        moved[j] += by;
        let bound = value + gradient[j] * by + 0.5 * d[j] * by * by;
        assert!(penalty.value(&v, &moved).unwrap() <= bound + 1e-12);
    }
}

#[test]
fn the_majorizer_of_a_quadratic_is_its_second_derivative() {
    let penalty = both(Power::Fixed(2.0), Power::Fixed(2.0));
    let Diagonal::Vector(d) = penalty.diagonal(&[0.3, -0.5, 0.2, 1.0], &THETA).unwrap() else {
        panic!("a vector")
    };
    assert!(
        (d[5] - (0.2 + 1.0f64.exp())).abs() < 1e-15
            && (d[0] - (0.2 + (-0.5f64).exp() + 0.3f64.exp())).abs() < 1e-15
    );
}

#[test]
fn natural_units_are_strengths_and_the_exponent() {
    let penalty = both(Power::Fixed(2.0), Power::Learned);
    let v = [0.3, 0.0, 0.2, 1.0, -0.7];
    assert_eq!(penalty.natural(0, &v).unwrap(), [0.3f64.exp(), 1.1]);
    assert_eq!(penalty.natural(2, &v).unwrap(), [0.2f64.exp(), 1.0f64.exp(), (-0.7f64).exp()]);
}
