//! Settings are read as they are written, and anything else is refused with its name.

use nhgd_settings::{Setting, Value, fields, kinds, parse, read, text, words};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Colour {
    Red,
    DarkBlue,
}

words!(Colour { "red" Red, "darkBlue" DarkBlue });

#[derive(Clone, Debug, PartialEq)]
struct Brush {
    colour: Colour,
    hair_width: f64,
    tips: Vec<u32>,
}

impl Default for Brush {
    fn default() -> Self {
        Self { colour: Colour::Red, hair_width: 0.1, tips: vec![1, 2] }
    }
}

fields!(default Brush { colour, hair_width, tips });

#[derive(Clone, Debug, PartialEq)]
struct Easel {
    name: String,
    brush: Option<Brush>,
    folded: bool,
}

fields!(Easel { name, brush, folded });

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Point {},
    Circle { radius: f64, segments: usize },
}

kinds!(Shape by "kind" { "point" Point {}, "circle" Circle { radius, segments } });

#[test]
fn what_is_written_is_read() {
    let brush = Brush { colour: Colour::DarkBlue, hair_width: 1e-7, tips: vec![] };
    let easel = Easel { name: "a \"b\"\n\u{7}é".to_owned(), brush: Some(brush.clone()), folded: true };
    assert_eq!(read(&text(&easel.write())), Ok(easel.clone()));
    let bare = Easel { brush: None, ..easel };
    assert_eq!(read(&text(&bare.write())), Ok(bare));
    for shape in [Shape::Point {}, Shape::Circle { radius: 1e300, segments: 7 }] {
        assert_eq!(read(&text(&shape.write())), Ok(shape));
    }
    assert_eq!(text(&brush.write()), r#"{"colour":"darkBlue","hairWidth":1e-7,"tips":[]}"#);
}

#[test]
fn an_absent_field_takes_its_default_and_is_missed_where_there_is_none() {
    assert_eq!(read("{}"), Ok(Brush::default()));
    assert_eq!(read(r#"{"hairWidth": 3}"#), Ok(Brush { hair_width: 3.0, ..Brush::default() }));
    let easel = Easel { name: "x".to_owned(), brush: None, folded: false };
    assert_eq!(read(r#"{"name": "x", "folded": false}"#), Ok(easel));
    assert_eq!(read::<Easel>(r#"{"name": "x"}"#), Err("`folded`: a value is missing".to_owned()));
    assert_eq!(
        read::<Shape>(r#"{"radius": 1}"#),
        Err("null where one of point, circle is expected".to_owned())
    );
}

#[test]
fn anything_else_is_refused_with_its_name() {
    for (json, message) in [
        ("[]", "[] where an object is expected"),
        (r#"{"hair_width": 1}"#, "unknown field `hair_width`"),
        (r#"{"hairWidth": "thin"}"#, "`hairWidth`: \"thin\" where a number is expected"),
        (r#"{"hairWidth": null}"#, "`hairWidth`: null where a number is expected"),
        (r#"{"tips": {"a":[true]}}"#, "`tips`: {\"a\":[true]} where a list is expected"),
        (r#"{"tips": [-1]}"#, "`tips`: -1.0 where a whole number is expected"),
        (r#"{"tips": [0.5]}"#, "`tips`: 0.5 where a whole number is expected"),
        (r#"{"tips": [4294967296]}"#, "`tips`: 4294967296 where a whole number is expected"),
        (r#"{"colour": "green"}"#, "`colour`: \"green\" where one of red, darkBlue is expected"),
        (r#"{"colour": 1}"#, "`colour`: 1 where one of red, darkBlue is expected"),
    ] {
        assert_eq!(read::<Brush>(json), Err(message.to_owned()));
    }
    assert_eq!(
        read::<Shape>(r#"{"kind": "square"}"#),
        Err("\"square\" where one of point, circle is expected".to_owned())
    );
    assert_eq!(read::<Shape>(r#"{"kind": "point", "radius": 1}"#), Err("unknown field `radius`".to_owned()));
    for broken in ["", "{", r#"{"tips": 1e999}"#] {
        assert!(read::<Brush>(broken).is_err(), "{broken}");
    }
}

#[test]
fn numbers_keep_their_value_in_text() {
    for number in [0.0, -0.0, 0.1, 1.0 / 3.0, 5e-324, f64::MIN_POSITIVE, f64::MAX, 9007199254740993.0] {
        let again = text(&Value::from(number)).parse::<f64>().unwrap();
        assert_eq!(again.to_bits(), number.to_bits());
    }
    assert_eq!(
        text(&parse("[18446744073709551615, null, false]").unwrap()),
        "[18446744073709551615,null,false]"
    );
}
