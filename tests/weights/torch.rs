//! Files of `torch.save` are read with the bits of PyTorch's tensors, and hostile pickles are refused.

use std::fs;
use std::time::{Duration, Instant};

use super::{folder, open, read_tensors, refused, same};

/// The beginning of a file without zip: the magic number, the version, and facts about the machine.
const HEAD: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";

/// A file without zip, with a pickle, the keys of its storages, and their numbers.
fn legacy(pickle: &[u8], keys: &[u8], storages: &[u8]) -> Vec<u8> {
    [HEAD, b"\x80\x02", pickle, b"\x80\x02", keys, storages].concat()
}

/// A pickle of one tensor of float64 numbers with this offset, shape and strides, in a storage "s" of `count` numbers.
fn tensor(count: u8, offset: u8, shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let tuple = |sizes: &[u8]| [b"(", &sizes.iter().flat_map(|&size| [b'K', size]).collect::<Vec<u8>>()[..], b"t"].concat();
    let storage = [&b"(X\x07\0\0\0storagectorch\nDoubleStorage\nX\x01\0\0\0sX\x03\0\0\0cpuK"[..], &[count], b"NtQ"].concat();
    let view = [&b"K"[..], &[offset], &tuple(shape), &tuple(strides)].concat();
    [&b"ctorch._utils\n_rebuild_tensor_v2\n("[..], &storage, &view, b"\x89ccollections\nOrderedDict\n)RtR"].concat()
}

/// A file without zip, with the dictionary {"t": …} of a [`tensor`] and the numbers of its storage.
fn file(count: u8, offset: u8, shape: &[u8], strides: &[u8], numbers: &[f64]) -> Vec<u8> {
    let pickle = [&b"}X\x01\0\0\0t"[..], &tensor(count, offset, shape, strides), b"s."].concat();
    let data: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    legacy(&pickle, b"]X\x01\0\0\0sa.", &[&(numbers.len() as u64).to_le_bytes()[..], &data].concat())
}

#[test]
fn every_type_and_view_that_pytorch_wrote_is_read() {
    for name in ["types", "checkpoint", "protocol5", "old-types", "old-checkpoint"] {
        let read = |end: &str| fs::read(folder("valid").join(format!("torch-{name}.{end}"))).unwrap();
        let mut found = read_tensors("x.pt", &read("pt")).unwrap_or_else(|wrong| panic!("{name}: {wrong:?}"));
        let mut expected = read_tensors("x.npz", &read("npz")).unwrap();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert!(found.len() >= 2 && same(&found, &expected), "{name}: {found:?}\n{expected:?}");
    }
    let single = read_tensors("x.pth", &fs::read(folder("valid").join("torch-single.pth")).unwrap()).unwrap();
    assert_eq!(single, [(String::new(), vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])]);
}

#[test]
fn a_tensor_is_a_view_of_its_storage() {
    let numbers = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    for (offset, shape, strides, expected) in [
        (0, &[2, 3][..], &[3, 1][..], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..]),
        (0, &[3, 2], &[1, 3], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
        (5, &[], &[], &[5.0]),
        (1, &[2, 2], &[2, 1], &[1.0, 2.0, 3.0, 4.0]),
        (1, &[2, 2], &[0, 4], &[1.0, 5.0, 1.0, 5.0]),
        (2, &[1, 3], &[99, 1], &[2.0, 3.0, 4.0]),
    ] {
        let found = read_tensors("x.pt", &file(6, offset, shape, strides, &numbers)).unwrap();
        let shape: Vec<usize> = shape.iter().map(|&size| usize::from(size)).collect();
        assert_eq!(found, [("t".to_owned(), shape, expected.to_vec())]);
    }
}

#[test]
fn sizes_that_lie_are_refused() {
    let numbers = [0.0; 6];
    // a tensor without entries may begin beyond its storage
    for shape in [&[0][..], &[2, 0], &[0, 2]] {
        let found = read_tensors("x.pt", &file(6, 9, shape, &vec![1; shape.len()], &numbers)).unwrap();
        assert_eq!(found, [("t".to_owned(), shape.iter().map(|&size| usize::from(size)).collect(), vec![])]);
    }
    refused("x.pt", &file(6, 0, &[2, 3], &[3, 2], &numbers), "\"t\" reaches beyond its storage of 48 bytes");
    refused("x.pt", &file(6, 1, &[6], &[1], &numbers), "reaches beyond");
    refused("x.pt", &file(7, 0, &[2, 3], &[3, 1], &numbers), "\"s\" claims 6 numbers");
    refused("x.pt", &file(6, 0, &[200, 200, 200], &[0, 0, 0], &numbers), "has 8000000 numbers, but its storage only 48 bytes");
    refused("x.pt", &file(6, 0, &[255; 9], &[0; 9], &numbers), "more numbers than any file can hold");
    refused("x.pt", &file(6, 0, &[2, 3], &[3], &numbers), "2 dimensions and 1 stride");
    let good = file(6, 0, &[2, 3], &[3, 1], &numbers);
    refused("x.pt", &[&good[..], b"x"].concat(), "its storages end at byte");
    refused("x.pt", &good[..good.len() - 1], "claims 6 numbers");
    // a zip archive whose pickle claims 5 numbers instead of 4 (the byte after the instruction K): its checksum is wrong then
    let whole = fs::read(folder("invalid").join("state.pt")).unwrap();
    // after the text "cpu", the instruction q and its one byte
    let count = whole.windows(4).position(|found| found == b"cpuq").unwrap() + 5;
    assert_eq!(whole[count..count + 2], *b"K\x04");
    let mut longer = whole.clone();
    longer[count + 1] = 5;
    assert!(open("x.pt", &longer).is_err_and(|wrong| wrong.message.contains("checksum")));
}

#[test]
fn a_dictionary_is_found_although_a_key_that_gives_no_name_comes_first() {
    // {None: d, "d": d} and {None: l, "d": l}, where d = {"t": …} and l = […] are stored in the memo as 0
    let tensor = tensor(1, 0, &[], &[]);
    let dictionary = [&b"}q\0X\x01\0\0\0t"[..], &tensor, b"s"].concat();
    let list = [&b"]q\0"[..], &tensor, b"a"].concat();
    for (container, name) in [(dictionary, "d.t"), (list, "d.0")] {
        let pickle = [&b"}N"[..], &container, b"sX\x01\0\0\0dh\0s."].concat();
        let storages = [&1_u64.to_le_bytes()[..], &0.5_f64.to_le_bytes()].concat();
        let found = read_tensors("x.pt", &legacy(&pickle, b"]X\x01\0\0\0sa.", &storages));
        assert_eq!(found, Ok(vec![(name.to_owned(), vec![], vec![0.5])]));
    }
}

#[test]
fn pickles_that_ask_for_anything_else_are_refused_by_name() {
    for (pickle, expected) in [
        (&b"cos\nsystem\n(X\x02\0\0\0lstR."[..], "asks for os.system"),
        (b"cbuiltins\neval\n.", "asks for builtins.eval"),
        (b"ctorch.nn.modules.linear\nLinear\n)\x81.", "asks for torch.nn.modules.linear.Linear"),
        (b"\x8c\x08builtins\x8c\x04exec\x93.", "asks for builtins.exec"),
        (b"ctorch\nload\n.", "asks for torch.load"),
        (b"ccollections\nOrderedDict\n)\x81.", "the instruction 0x81"),
        (b"(iposix\nsystem\n.", "the instruction 0x69"),
        (b"\x82\x01.", "the instruction 0x82"),
        (b"ccollections\nOrderedDict\nK\x01R.", "calls a value that is not a function"),
        (b"ctorch\nFloatStorage\n)R.", "neither a tensor nor a dictionary"),
        (b"ctorch\nSize\n}b.", "attributes to a value that is not a dictionary"),
        (b"X\xff\xff\xff\xffa.", "cut off"),
        (b"r\xff\xff\xff\xff.", "stores a value although its stack is empty"),
        (b"}r\xff\xff\xff\xff.", "more values than"),
        (b"h\x07.", "has not stored"),
        (b"t.", "no mark"),
        (b"(K\x01K\x02a.", "appends to a value that is not a list"),
        (b"}(K\x01u.", "a key without a value"),
        (b".", "takes a value from an empty stack"),
        (b"\x80\x09.", "version 9"),
        (b"}.", "it has no tensors"),
        (b"cos\nsystem", "a name without an end"),
    ] {
        let wrong = open("x.pt", &legacy(pickle, b"].", b"")).expect_err(expected);
        assert!(wrong.message.contains(expected), "{expected}: {}", wrong.message);
    }
}

#[test]
fn deep_wide_and_circular_pickles_end_soon() {
    let begin = Instant::now();
    let many = |text: &[u8], count: usize, end: &[u8]| [&text.repeat(count)[..], end].concat();
    let refused_soon = |pickle: &[u8]| assert!(open("x.pt", &legacy(pickle, b"].", b"")).is_err());
    refused_soon(&many(b"(", 5_000_000, b"."));
    refused_soon(&many(b"}", 5_000_000, b"."));
    refused_soon(&many(b"}0", 5_000_000, b"}."));
    refused_soon(&many(b"]\x94", 5_000_000, b"."));
    refused_soon(&many(b"K\x01\x85", 3_000_000, b"."));
    // a list in a list in a list …
    refused_soon(&many(b"]", 100, &many(b"a", 99, b".")));
    // a dictionary that holds itself, and a list that doubles thirty times by references
    refused_soon(b"}q\0X\x01\0\0\0ah\0s.");
    let doubled: Vec<u8> = (0..30).flat_map(|n: u8| [&b"](h"[..], &[n], b"h", &[n], b"eq", &[n + 1], b"0"].concat()).collect();
    refused_soon(&[b"]q\x000", &doubled[..], b"h\x1e."].concat());
    // the same, with a tensor at the end: it is found once
    let pickle = [b"]", &tensor(1, 0, &[], &[])[..], b"aq\x000", &doubled, b"h\x1e."].concat();
    let found = read_tensors("x.pt", &legacy(&pickle, b"]X\x01\0\0\0sa.", &[&1_u64.to_le_bytes()[..], &0.5_f64.to_le_bytes()].concat()));
    assert!(found.is_ok_and(|found| found.len() == 1));
    // a dictionary with a tensor and itself: the tensor is found once
    let pickle = [b"}q\0X\x01\0\0\0w", &tensor(1, 0, &[], &[])[..], b"sX\x01\0\0\0ah\0s."].concat();
    let found = read_tensors("x.pt", &legacy(&pickle, b"]X\x01\0\0\0sa.", &[&1_u64.to_le_bytes()[..], &0.5_f64.to_le_bytes()].concat()));
    assert!(found.is_ok_and(|found| found.len() == 1));
    // generous: all of these together take less than a second in a release build
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn other_files_of_torch_are_refused_with_what_to_do() {
    for (name, message, help) in [
        ("module.pt", "asks for torch.nn.modules.container.Sequential", "model.state_dict()"),
        ("numpy.pt", "asks for numpy", "save the tensors alone"),
        ("script.pt", "it is a TorchScript module", "torch.jit.load"),
        ("cut.pt", "it has no zip directory", "incomplete"),
        ("model.pt", "it is not a file that torch.save has written", "torch.save(model.state_dict()"),
    ] {
        let wrong = open("x.pt", &fs::read(folder("invalid").join(name)).unwrap()).expect_err(name);
        assert!(wrong.message.contains(message) && wrong.help.contains(help), "{name}: {wrong:?}");
    }
    let complex = open("x.pt", &fs::read(folder("invalid").join("complex.pt")).unwrap()).unwrap();
    assert!(complex.layout(0).is_err_and(|wrong| wrong.message.contains("the type complex64")));
}

#[test]
fn a_changed_byte_changes_no_tensor_and_a_cut_file_is_refused() {
    let whole = fs::read(folder("invalid").join("state.pt")).unwrap();
    let good = read_tensors("x.pt", &whole).unwrap();
    for length in 0..whole.len() {
        assert!(read_tensors("x.pt", &whole[..length]).is_err(), "{length} bytes");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x21;
        if let Ok(found) = read_tensors("x.pt", &bytes) {
            assert!(same(&found, &good), "byte {at}");
        }
    }
}
