//! The header of a `.safetensors` file is checked for all its tensors before one is read.

use super::{open, refused};

#[test]
fn a_safetensors_header_is_checked_for_all_tensors() {
    // a file with `data` bytes of numbers, all 0
    let file = |header: &[u8], data: usize| [&(header.len() as u64).to_le_bytes()[..], header, &vec![0; data]].concat();
    // a header with the good tensor "a", whose numbers are the first 8 bytes, and a tensor "b"
    let header = |dtype: &str, shape: &str, offsets: &str| {
        let good = r#""a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}"#;
        format!(r#"{{{good},"b":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    for (dtype, shape, offsets, expected) in [
        ("F65", "[1]", "[8,16]", "has the type \"F65\", which safetensors does not have"),
        ("F64", "[2]", "[8,16]", "has the shape [2] of F64, but 8 bytes of numbers"),
        ("F4", "[1]", "[8,9]", "has the shape [1] of F4, but 1 byte of numbers"),
        ("F64", "[4294967296,4294967296]", "[8,16]", "has the shape [4294967296, 4294967296] of F64"),
        ("F64", "[1]", "[9,17]", "overlaps another or leaves a gap, at byte 8"),
        ("F64", "[1]", "[7,15]", "overlaps another or leaves a gap, at byte 8"),
        ("F64", "[1]", "[16,8]", "overlaps another or leaves a gap, at byte 8"),
        ("F32", "[1]", "[8,12]", "claims 12 bytes of numbers, but the file has 16"),
        ("F64", "[-1]", "[8,16]", "is not that of safetensors"),
        ("F64", "[1]", "[8]", "is not that of safetensors"),
    ] {
        refused("x.safetensors", &file(header(dtype, shape, offsets).as_bytes(), 16), expected);
    }
    // tensors of types that are not read, an empty tensor, and blanks at the end are accepted
    for (dtype, shape, offsets, is_read) in
        [("F8_E4M3", "[8]", "[8,16]", false), ("F4", "[16]", "[8,16]", false), ("F64", "[0]", "[8,8]", true)]
    {
        let data = if offsets == "[8,8]" { 8 } else { 16 };
        let archive = open("x.safetensors", &file((header(dtype, shape, offsets) + "  ").as_bytes(), data)).unwrap();
        assert!(archive.layout(0).is_ok(), "{dtype}");
        assert_eq!(archive.layout(1).is_ok(), is_read, "{dtype}");
    }
    refused("x.safetensors", &file(b"{\"__metadata__\":{\"a\":\"\xff\"}}", 0), "not UTF-8 at byte 30");
    refused("x.safetensors", &file(b"{\"__metadata__\":{\"a\":1}}", 0), "is not that of safetensors");
    refused("x.safetensors", &file(b"{\"__metadata__\":{}}x", 0), "is not that of safetensors");
}
