//! Tests of the CSV reader.

use ndarray::array;

use super::*;

fn read(text: &str, options: &CsvOptions) -> Result<Dataset> {
    read_csv_from(text.as_bytes(), "t.csv", options)
}

fn refusal(text: &str, options: &CsvOptions) -> String {
    read(text, options).unwrap_err().to_string()
}

#[test]
fn value_columns_become_targets_in_the_order_asked_for() {
    let text = "a,y,b,z\n1,2,3,4\n5,6,7,8e-1\n";
    let data = read(text, &CsvOptions::values(["z", "y"])).unwrap();
    assert_eq!(data.inputs(), array![[1., 3.], [5., 7.]]);
    assert_eq!(data.targets().values().unwrap(), array![[4., 2.], [0.8, 6.]]);
    assert_eq!(read(text, &CsvOptions::values([3, 1])).unwrap(), data);
    let inputs = read(text, &CsvOptions::values::<usize>([])).unwrap();
    assert_eq!((inputs.features(), inputs.outputs()), (4, 0));
}

#[test]
fn a_class_column_becomes_labels() {
    let options = CsvOptions::class(2).no_header().delimiter(b';');
    let data = read("\u{feff}1; 2 ;\"1\"\r\n\r\n3;-4;0", &options).unwrap();
    assert_eq!(data.inputs(), array![[1., 2.], [3., -4.]]);
    assert_eq!(*data.targets(), Targets::Classes { labels: vec![1, 0], classes: 2 });
    assert_eq!(read("1;2;0", &options.clone().class_count(5)).unwrap().outputs(), 5);
    let error = read("1;2;5", &options.class_count(5)).unwrap_err();
    assert!(matches!(error, Error::Target { .. }), "{error}");
}

#[test]
fn a_bad_cell_is_named_by_line_and_column() {
    let y = CsvOptions::values(["y"]);
    for (text, place) in [
        ("x,y\n1,2\n3,\n", "line 3, column 2 (y): the cell is empty"),
        ("x,y\r\n1,2\r\n3,4\r\nsix,4\r\n", "line 4, column 1 (x): 'six' is not a finite"),
        ("\n\nx,y\n\n\n1,nan\n", "line 6, column 2 (y): 'nan' is not a finite number"),
        ("x,y\n\"1\n\",2\n1e39,2", "line 4, column 1 (x): '1e39' is not a finite number"),
        ("x,y\n1,2\n3\n", "line 3: 1 cells where the first line has 2"),
        ("x,y\n1,2,3\n", "line 2: 3 cells where the first line has 2"),
    ] {
        let error = refusal(text, &y);
        assert!(error.starts_with(&format!("t.csv, {place}")), "{text:?}: {error}");
    }
    let class = CsvOptions::class(0).no_header();
    assert!(refusal("1,2\n1.5,2\n", &class).starts_with("t.csv, line 2, column 1: '1.5' is not"));
    assert!(refusal("1,2\n-2,2\n", &class).starts_with("t.csv, line 2, column 1: '-2' is not"));
    assert!(refusal("1,2\nNA,2\n", &class).starts_with("t.csv, line 2, column 1: 'NA' marks a"));
    let error = read_csv_from(&b"x,y\n1,\xff\n"[..], "t.csv", &y).unwrap_err().to_string();
    assert_eq!(error, "t.csv, line 2, column 2: the cell is not UTF-8 text");
}

#[test]
fn error_texts_repeat_only_the_beginning_of_a_long_cell() {
    let long = "x".repeat(1_000_000);
    let y = CsvOptions::values(["y"]);
    for (text, options) in [
        (format!("x,y\n1,{long}\n"), &y),
        (format!("{long},y\n1,\n"), &CsvOptions::values([1])),
        (format!("{long},y\n,1\n"), &y),
        (format!("x,{long}\n1,2\n"), &y),
        (format!("x,y\n1,{long}\n"), &CsvOptions::class("y")),
        ("x,y\n1,2\n".to_string(), &CsvOptions::class(long.as_str())),
        ("1,2\n".to_string(), &CsvOptions::class(long.as_str()).no_header()),
    ] {
        let error = refusal(&text, options);
        assert!(error.len() < 300, "{} bytes: {}", error.len(), cut(&error));
    }
}

#[test]
fn a_file_without_rows_is_refused() {
    let y = CsvOptions::values(["y"]);
    assert_eq!(refusal("", &y), "t.csv: the file is empty");
    assert_eq!(refusal("\n\r\n", &y), "t.csv: the file is empty");
    assert_eq!(refusal("x,y\n", &y), "t.csv: there are no rows");
}

#[test]
fn a_target_column_that_does_not_exist_is_refused() {
    let error = refusal("x,y\n1,2\n", &CsvOptions::class("z"));
    assert_eq!(error, "t.csv: there is no column 'z', only x, y");
    let error = refusal("x,y\n1,2\n", &CsvOptions::class(2));
    assert_eq!(error, "t.csv: there is no column with index 2, only 0 to 1");
    let error = refusal("1,2\n", &CsvOptions::class("y").no_header());
    assert_eq!(error, "t.csv: column 'y' is chosen by name, but there is no header");
}

#[test]
fn a_missing_file_is_an_io_error_with_its_path() {
    let error = read_csv("no/such.csv", &CsvOptions::class(0)).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
    assert!(error.to_string().starts_with("no/such.csv: "), "{error}");
}

#[test]
fn texts_become_classes_in_sorted_order() {
    let class = CsvOptions::class("y");
    let data = read("x,y\n1,virginica\n2,setosa\n3,virginica\n", &class).unwrap();
    assert_eq!(data.class_names(), ["setosa", "virginica"]);
    assert_eq!(*data.targets(), Targets::Classes { labels: vec![1, 0, 1], classes: 2 });
    for (cells, labels, names) in [
        (["yes", "no", "yes"], [1, 0, 1], &["no", "yes"][..]),
        (["1", "-1", "-1"], [1, 0, 0], &["-1", "1"]),
        (["10", "-1", "9.0"], [2, 0, 1], &["-1", "9", "10"]),
        (["1.0", "0", "2"], [1, 0, 2], &[]),
    ] {
        let text = format!("x,y\n1,{}\n2,{}\n3,{}\n", cells[0], cells[1], cells[2]);
        let data = read(&text, &class).unwrap();
        assert_eq!(data.targets().labels().unwrap(), labels, "{cells:?}");
        assert_eq!(data.class_names(), names, "{cells:?}");
    }
}

#[test]
fn class_names_of_an_earlier_file_give_the_same_classes_in_the_next() {
    let names = CsvOptions::class("y").class_names(["no", "maybe", "yes"]);
    let data = read("x,y\n1,yes\n2,no\n", &names).unwrap();
    assert_eq!(*data.targets(), Targets::Classes { labels: vec![2, 0], classes: 3 });
    assert_eq!(data.class_names(), ["no", "maybe", "yes"]);
    let error = refusal("x,y\n1,yes\n2,nope\n", &names);
    assert_eq!(error, "t.csv, line 3, column 2 (y): 'nope' is none of the classes no, maybe, yes");
    let error = refusal("x,y\n1,a\n2,b\n3,c\n", &CsvOptions::class("y").class_count(2));
    assert!(error.contains("number of classes, 2"), "{error}");
}

#[test]
fn rows_without_a_class_do_not_make_one() {
    let class = CsvOptions::class("y").ignoring(-100);
    let data = read("x,y\n1,b\n2,-100\n3,a\n", &class).unwrap();
    assert_eq!(data.class_names(), ["a", "b"]);
    assert_eq!(data.targets().labels().unwrap(), [1, -100i32 as u32, 0]);
}

#[test]
fn columns_are_chosen_or_left_out_by_name_and_an_unnamed_first_one_is_left_out_with_a_note() {
    let text = ",id,a,b,y\n0,17,1,2,3\n1,18,4,5,6\n";
    let y = CsvOptions::values(["y"]);
    let data = read(text, &y.clone().without(["id"])).unwrap();
    assert_eq!(data.inputs(), array![[1., 2.], [4., 5.]]);
    assert_eq!(data.notes(), ["the first column has no name and is left out"]);
    assert_eq!(
        read(text, &y.clone().inputs(["b", "a"])).unwrap().inputs(),
        array![[2., 1.], [5., 4.]]
    );
    assert_eq!(read(text, &y.clone().inputs([0])).unwrap().inputs(), array![[0.], [1.]]);
    let error = refusal(text, &y.without(["idd"]));
    assert!(error.contains("no column 'idd', only , id, a, b, y"), "{error}");
}

#[test]
fn missing_cells_are_refused_dropped_or_filled() {
    let text = "a,b,y\n1,NA,2\n,4,6\n3,5,?\n7,9,8\n";
    let y = CsvOptions::values(["y"]);
    let error = refusal(text, &y);
    assert_eq!(error, "t.csv, line 2, column 2 (b): 'NA' is not a finite number");
    let dropped = read(text, &y.clone().missing(Missing::Drop)).unwrap();
    assert_eq!((dropped.inputs(), dropped.len()), (&array![[7., 9.]], 1));
    assert_eq!(dropped.notes(), ["3 of 4 rows have missing cells and are left out"]);
    let text = text.replace("3,5,?\n", "");
    let mean = read(&text, &y.clone().missing(Missing::Mean)).unwrap();
    assert_eq!(mean.inputs(), array![[1., 6.5], [4., 4.], [7., 9.]]);
    assert_eq!(mean.notes()[1], "b: 1 of 3 cells are missing and become 6.5");
    let value = read(&text, &y.clone().missing(Missing::Value(-1.0))).unwrap();
    assert_eq!(value.inputs(), array![[1., -1.], [-1., 4.], [7., 9.]]);
    let error = refusal("a,y\n1,2\n3,null\n", &y.clone().missing(Missing::Mean));
    assert_eq!(error, "t.csv, line 3, column 2 (y): the target is missing");
    let error = refusal("a,y\n,2\nNaN,4\n", &y.missing(Missing::Mean));
    assert_eq!(error, "t.csv: a: every cell is missing");
    let named = CsvOptions::class("y").missing(Missing::Drop);
    let data = read("a,y\n1,red\n2,\n,blue\n4,green\n", &named).unwrap();
    assert_eq!(
        (data.class_names(), data.len()),
        (&["green".to_string(), "red".to_string()][..], 2)
    );
}

#[test]
fn numbers_are_read_with_a_decimal_comma_and_thousands() {
    let y = CsvOptions::values(["y"]).delimiter(b';').number_format(',', Some('.'));
    let data = read("x;y\n1.234,5;-2,25\n-1.000.000;7\n12;,5\n", &y).unwrap();
    assert_eq!(data.inputs(), array![[1234.5], [-1e6], [12.]]);
    assert_eq!(data.targets().values().unwrap(), array![[-2.25], [7.], [0.5]]);
    for cell in ["1.5", "12.34,5", "1,2,3", ".123", "1.2345", "1,234.5", ""] {
        assert!(refusal(&format!("x;y\n{cell};1\n"), &y).contains("line 2, column 1"), "{cell}");
    }
    let quoted = CsvOptions::values(["y"]).number_format(',', None);
    assert_eq!(read("x,y\n\"1,5\",2\n", &quoted).unwrap().inputs(), array![[1.5]]);
    assert!(refusal("x,y\n1.5,2\n", &quoted).contains("'1.5' is not a finite number"));
    let english = CsvOptions::values(["y"]).number_format('.', Some(','));
    assert_eq!(read("x,y\n\"12,345.5\",2\n", &english).unwrap().inputs(), array![[12345.5]]);
}

#[test]
fn comments_blank_lines_and_trailing_separators_are_skipped() {
    let y = CsvOptions::values(["y"]).comment(b'#');
    let text = "# made by hand\nx,y,\n1,2,\n   \n# and, so, on\n3,4,\n\n5,6\n";
    let data = read(text, &y).unwrap();
    assert_eq!(data.inputs(), array![[1.], [3.], [5.]]);
    let error = refusal(&format!("{text}# more\n7,x,\n"), &y);
    assert!(error.starts_with("t.csv, line 10, column 2 (y): 'x'"), "{error}");
    let bare = CsvOptions::values([1]).no_header();
    assert_eq!(read("1,2,\n3,4,\n", &bare).unwrap().inputs(), array![[1.], [3.]]);
    let error = refusal("1,2,\n3,4,5\n", &bare);
    assert_eq!(error, "t.csv, line 1, column 3: the cell is empty");
    let error = refusal("x,y\n1,2,\n3,4,5\n", &y);
    assert_eq!(error, "t.csv, line 3: 3 cells where the first line has 2");
}

/// A seeded table in many spellings reads back as the same numbers.
#[test]
fn any_table_of_numbers_and_names_is_read_back() {
    use crate::random::{Key, Stream};
    for case in 0..200 {
        let key = Key::new(case, Stream::Data(1));
        let word = |place: u32| key.words(1, place)[0];
        let (rows, cols) = (1 + word(0) as usize % 9, 1 + word(1) as usize % 5);
        let number = |row: usize, col: usize| key.normal(row as u32 + 2, col as u32) as f32 * 1e4;
        let class = |row: usize| format!("class {}", key.words(99, row as u32)[0] % 4);
        let (comma, trailing, end) = (word(2) % 2 == 0, word(3) % 2 == 0, word(4) % 2 == 0);
        let spell = |number: f32| {
            if comma { number.to_string().replace('.', ",") } else { number.to_string() }
        };
        let line = |cells: Vec<String>| {
            let tail = if trailing { ";" } else { "" };
            cells.join("; ") + tail + if end { "\r\n" } else { "\n" }
        };
        let header =
            line((0..cols).map(|col| format!("c{col}")).chain(["kind".to_string()]).collect());
        let body = (0..rows).map(|row| {
            line((0..cols).map(|col| spell(number(row, col))).chain([class(row)]).collect())
        });
        let text: String = std::iter::once(header).chain(body).collect();
        let options = CsvOptions::class("kind").delimiter(b';');
        let options = if comma { options.number_format(',', Some('.')) } else { options };
        let data = read(&text, &options).unwrap();
        let wanted = Array2::from_shape_fn((rows, cols), |(row, col)| number(row, col));
        assert_eq!(data.inputs(), wanted, "{text}");
        let names = data.targets().labels().unwrap().iter();
        let names: Vec<_> =
            names.map(|&label| data.class_names()[label as usize].clone()).collect();
        assert_eq!(names, (0..rows).map(class).collect::<Vec<_>>());
        assert!(data.class_names().is_sorted());
    }
}
