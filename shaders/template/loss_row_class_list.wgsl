// The target is a list of classes along each row, ended by a number that is none.
@group(0) @binding(3) var<storage, read> target_list: array<u32>;

fn open_row(row: u32) {
}
