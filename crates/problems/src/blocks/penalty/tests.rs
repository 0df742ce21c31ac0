use super::*;

const LAYERS: [LayerShape; 2] = [LayerShape { inputs: 3, outputs: 2 }, LayerShape { inputs: 3, outputs: 1 }];

fn groups(per: &Per, bias: bool, layers: &[LayerShape]) -> Vec<u32> {
    Groups::new(per, bias, layers, 2).expect("good groups").of
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
    let error = |per, layers| Groups::new(&per, false, layers, 2).expect_err("a misfit").0;
    assert_eq!(error(Per::Feature, &LAYERS[..]), "per");
    assert_eq!(error(Per::Group(vec![0, 1]), &LAYERS[..]), "groups");
    let wide = [LAYERS[0], LayerShape { inputs: 5, outputs: 1 }]; // more units than features
    assert_eq!(error(Per::Group(vec![0, 1]), &wide), "groups");
    assert_eq!(error(Per::Group(vec![0, 2]), &LAYERS[..1]), "groups");
    assert_eq!(error(Per::Group(vec![0, FREE - 1]), &LAYERS[..1]), "groups");
    assert_eq!(error(Per::Group(vec![0; 5]), &LAYERS[..1]), "groups");
}

#[test]
fn derivatives_are_those_of_the_value() {
    let blocks = [(Per::Feature, true, 1), (Per::All, false, 0)]
        .map(|(per, bias, at)| (at, Groups::new(&per, bias, &LAYERS[..1], 2).expect("good groups")));
    let penalty = Penalty::new(0.1f64, blocks.to_vec());
    let (v, theta, u) =
        ([0.3, -0.5, 0.2, 1.0], [0.4, -1.0, 0.7, 0.2, -0.3, 1.5], [1.0, 0.5, -0.2, 0.3, 2.0, -1.0]);
    let mut gradient = [0.0; 6];
    penalty.add_product(&v, &theta, &mut gradient);
    let moved = |x: &[f64], j: usize, by: f64| {
        let mut x = x.to_vec();
        x[j] += by;
        x
    };
    for j in 0..6 {
        let at = |by| penalty.value(&v, &moved(&theta, j, by));
        assert!(((at(1e-6) - at(-1e-6)) / 2e-6 - gradient[j]).abs() < 1e-8);
    }
    let mut cross = [0.0; 4];
    penalty.add_cross(&v, &theta, &u, 1.0, &mut cross);
    for k in 0..4 {
        let at = |by| {
            let mut gradient = [0.0; 6];
            penalty.add_product(&moved(&v, k, by), &theta, &mut gradient);
            vector::dot(&gradient, &u)
        };
        assert!(((at(1e-6) - at(-1e-6)) / 2e-6 - cross[k]).abs() < 1e-8);
    }
    let Diagonal::Vector(d) = penalty.diagonal(&v, 6) else { panic!("a vector") };
    assert!(
        (d[5] - (0.2 + 1.0f64.exp())).abs() < 1e-15
            && (d[0] - (0.2 + (-0.5f64).exp() + 0.3f64.exp())).abs() < 1e-15
    );
}
