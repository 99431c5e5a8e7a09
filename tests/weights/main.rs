//! Tests of files with tensors. Every type is read with the same bits as it was written, damaged files are refused, and no path leads out of the scenario's
//! folder.

mod axes;
mod safetensors;
mod torch;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gradstep::files::Folder;
use gradstep::scenario::{Files as _, Limits, Source, read, read_with_files};
use gradstep::weights::{Archive, WeightsError, npz, opener};
use proptest::prelude::*;

/// The folder `tests/NAME/weights`; NAME is `valid` or `invalid`.
fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name).join("weights")
}

fn open(name: &str, bytes: &[u8]) -> Result<Arc<dyn Archive>, WeightsError> {
    opener(name)?(bytes.to_vec())
}

/// The name, shape and numbers of each tensor of a file, in its order.
type Tensors = Vec<(String, Vec<usize>, Vec<f64>)>;

/// Reads all tensors of a file. The only tensor of a `.npy` file has no name.
fn read_tensors(name: &str, bytes: &[u8]) -> Result<Tensors, WeightsError> {
    let archive = open(name, bytes)?;
    let names = archive.names().map_or_else(|| vec![String::new()], |names| names.list().to_vec());
    let tensor = |(index, name): (usize, String)| {
        let layout = archive.layout(index)?;
        let numbers = layout.numbers(&archive.bytes(index)?)?;
        Ok((name, layout.shape().to_vec(), numbers))
    };
    names.into_iter().enumerate().map(tensor).collect()
}

/// A `.npy` file with this byte order and memory order.
fn npy(shape: &[usize], numbers: &[f64], big_endian: bool, fortran: bool) -> Vec<u8> {
    let sizes = shape.iter().fold(String::new(), |sizes, n| sizes + &n.to_string() + ",");
    let (order, python) = (if big_endian { '>' } else { '<' }, if fortran { "True" } else { "False" });
    let header = format!("{{'descr': '{order}f8', 'fortran_order': {python}, 'shape': ({sizes}), }}\n");
    let mut bytes = [&b"\x93NUMPY\x01\x00"[..], &u16::try_from(header.len()).unwrap().to_le_bytes(), header.as_bytes()].concat();
    let entry = |at: usize| -> usize {
        // the row-major position of the entry at position `at` in column-major order
        let (mut rest, mut index) = (at, Vec::new());
        for n in shape {
            index.push(rest % n);
            rest /= n;
        }
        index.iter().zip(shape).fold(0, |position, (i, n)| position * n + i)
    };
    for at in 0..numbers.len() {
        let x = numbers[if fortran { entry(at) } else { at }];
        bytes.extend(if big_endian { x.to_be_bytes() } else { x.to_le_bytes() });
    }
    bytes
}

/// A `.npy` file with little-endian numbers in row-major order.
fn plain_npy(shape: &[usize], numbers: &[f64]) -> Vec<u8> {
    npy(shape, numbers, false, false)
}

fn safetensors(tensors: &Tensors) -> Vec<u8> {
    let (mut infos, mut data) = (Vec::new(), Vec::new());
    for (name, shape, numbers) in tensors {
        let begin = data.len();
        data.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
        let name = serde_json::to_string(name).unwrap();
        infos.push(format!("{name}:{{\"dtype\":\"F64\",\"shape\":{shape:?},\"data_offsets\":[{begin},{}]}}", data.len()));
    }
    let header = format!("{{\"__metadata__\":{{\"format\":\"pt\"}},{}}}", infos.join(","));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

/// An uncompressed .npz archive, as gradstep writes it.
fn npz_archive(tensors: &Tensors) -> Vec<u8> {
    let named: Vec<npz::NamedTensor<'_>> = tensors.iter().map(|(name, shape, data)| (name.clone(), &shape[..], &data[..])).collect();
    let mut bytes = Vec::new();
    npz::write(&mut bytes, &named).unwrap();
    bytes
}

/// A compressed .npz archive of one tensor.
fn deflated(name: &str, npy: &[u8]) -> Vec<u8> {
    let packed = miniz_oxide::deflate::compress_to_vec(npy, 6);
    let size = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    let name = format!("{name}.npy");
    let crc = crc32fast::hash(npy).to_le_bytes();
    let length = u16::try_from(name.len()).unwrap().to_le_bytes();
    // version, flags, method, time and date, checksum, both sizes, and the lengths of the name and of the extra field
    let about = [&[20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0][..], &crc, &size(packed.len()), &size(npy.len()), &length, &[0; 2]].concat();
    let local = [b"PK\x03\x04", &about[..], name.as_bytes(), &packed].concat();
    let central = [b"PK\x01\x02", &[20, 0][..], &about, &[0; 14], name.as_bytes()].concat();
    let end = [b"PK\x05\x06", &[0; 4][..], &[1, 0, 1, 0], &size(central.len()), &size(local.len()), &[0; 2]].concat();
    [local, central, end].concat()
}

/// Returns whether all names, shapes and bits are the same.
fn same(a: &Tensors, b: &Tensors) -> bool {
    let bits = |tensors: &Tensors| -> Vec<(String, Vec<usize>, Vec<u64>)> {
        tensors.iter().map(|(name, shape, data)| (name.clone(), shape.clone(), data.iter().map(|x| x.to_bits()).collect())).collect()
    };
    bits(a) == bits(b)
}

fn tensor() -> impl Strategy<Value = (Vec<usize>, Vec<f64>)> {
    let finite = any::<f64>().prop_filter("finite", |x| x.is_finite());
    prop::collection::vec(1..5usize, 0..4).prop_flat_map(move |shape| {
        let n = shape.iter().product::<usize>();
        (Just(shape), prop::collection::vec(finite.clone(), n))
    })
}

#[test]
fn every_type_that_numpy_and_safetensors_wrote_is_read() {
    let table: Vec<f64> = (0..6).map(f64::from).collect();
    for file in ["types.npz", "deflated.npz", "types.safetensors"] {
        let found = read_tensors(file, &fs::read(folder("valid").join(file)).unwrap()).unwrap();
        assert!(found.len() >= 9, "{file}");
        for (name, shape, numbers) in found {
            let expected: Vec<f64> = match name.as_str() {
                "bool" => vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
                #[allow(clippy::cast_possible_truncation)]
                "fraction.f4" => table.iter().map(|x| f64::from((x / 3.0) as f32)).collect(),
                // by NumPy: [float(x) for x in numpy.float16(numpy.arange(6) / 3)]
                "fraction.f2" => vec![0.0, 0.333_251_953_125, 0.666_503_906_25, 1.0, 1.333_007_812_5, 1.666_992_187_5],
                // a bfloat16 is the upper half of a float32
                "bfloat16" => vec![0.0, 0.332_031_25, 0.664_062_5, 1.0, 1.328_125, 1.664_062_5],
                "fortran" => (0..24).map(f64::from).collect(),
                "large" => (0..10_000).map(f64::from).collect(),
                "scalar" => vec![-0.0],
                _ => table.clone(),
            };
            let sizes: &[usize] = match name.as_str() {
                "fortran" => &[2, 3, 4],
                "large" => &[100, 100],
                "scalar" => &[],
                _ => &[2, 3],
            };
            let tensor = |numbers| vec![(name.clone(), sizes.to_vec(), numbers)];
            assert!(same(&vec![(name.clone(), shape, numbers.clone())], &tensor(expected)), "{name} in {file}: {numbers:?}");
        }
    }
}

#[test]
fn npz_output_is_the_same_bytes_every_time_and_a_valid_zip() {
    let tensors = vec![("a.b".to_owned(), vec![2], vec![1.0, f64::NAN]), ("c".to_owned(), vec![], vec![f64::INFINITY])];
    let bytes = npz_archive(&tensors);
    assert_eq!(bytes, npz_archive(&tensors));
    assert_eq!(format!("{:08x}", crc32fast::hash(&bytes)), "5ad182d8", "NumPy opened a file with this checksum");
    let many: Tensors = (0..65_535).map(|n| (n.to_string(), vec![], vec![0.0])).collect();
    let named: Vec<npz::NamedTensor<'_>> = many.iter().map(|(name, shape, data)| (name.clone(), &shape[..], &data[..])).collect();
    assert!(npz::write(&mut std::io::sink(), &named).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tensor_comes_back_with_the_same_bits((shape, data) in tensor(), big_endian: bool, fortran: bool, name in "\\PC{1,20}") {
        let bytes = npy(&shape, &data, big_endian, fortran);
        let one = |name: &str| vec![(name.to_owned(), shape.clone(), data.clone())];
        prop_assert!(same(&read_tensors("x.npy", &bytes).unwrap(), &one("")));
        let name = name.strip_suffix(".npy").unwrap_or(&name);
        prop_assert!(same(&read_tensors("x.npz", &deflated(name, &bytes)).unwrap(), &one(name)));
        prop_assert!(same(&read_tensors("x.npz", &npz_archive(&one(name))).unwrap(), &one(name)));
        prop_assert!(same(&read_tensors("x.safetensors", &safetensors(&one(name))).unwrap(), &one(name)));
    }

    #[test]
    fn flipped_bytes_never_panic_and_fail_the_checksum(
        which in 0..4usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..4),
    ) {
        let (name, whole) = &small()[which];
        let mut bytes = whole.clone();
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        let before = read_tensors(name, whole).unwrap();
        match read_tensors(name, &bytes) {
            Err(wrong) => prop_assert!(!wrong.message.is_empty()),
            // names and padding have no checksum, numbers in an .npz do
            Ok(after) if name.ends_with("npz") => prop_assert!(before.iter().zip(&after).all(|(a, b)| a.1 == b.1 && a.2 == b.2)),
            Ok(_) => {}
        }
    }
}

/// A small file of each kind.
fn small() -> Vec<(&'static str, Vec<u8>)> {
    let tensors: Tensors = vec![("a".into(), vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), ("b".into(), vec![], vec![0.5])];
    let bytes = npy(&tensors[0].1, &tensors[0].2, true, true);
    vec![("x.npz", deflated("a", &bytes)), ("x.npy", bytes), ("x.npz", npz_archive(&tensors)), ("x.safetensors", safetensors(&tensors))]
}

#[test]
fn truncated_files_are_refused() {
    for (name, bytes) in small() {
        assert!(read_tensors(name, &bytes).is_ok(), "{name}");
        for length in 0..bytes.len() {
            assert!(read_tensors(name, &bytes[..length]).is_err(), "{length} bytes of {name}");
        }
    }
}

/// `true` for a byte that no checksum and no second copy protects. If it changes, the file is still valid: a tensor has another name, or another type of the
/// same size.
fn is_unprotected(name: &str, bytes: &[u8], at: usize) -> bool {
    let inside = |text: &[u8], letters: std::ops::Range<usize>| {
        bytes.windows(text.len()).enumerate().any(|(begin, found)| found == text && letters.contains(&at.wrapping_sub(begin)))
    };
    match name {
        "x.npy" => inside(b"'>f8'", 1..4),
        "x.safetensors" => inside(b"\"F64\"", 1..4) || inside(b"\"a\":", 1..2) || inside(b"\"b\":", 1..2),
        _ => false,
    }
}

#[test]
fn any_changed_byte_of_a_header_is_refused_or_changes_nothing() {
    for (name, whole) in small() {
        let before = read_tensors(name, &whole).unwrap();
        let numbers: usize = before.iter().map(|tensor| tensor.2.len() * 8).sum();
        // if a format has no checksum, changed numbers are valid
        let end = if name.ends_with("npz") { whole.len() } else { whole.len() - numbers };
        for at in (0..end).filter(|&at| !is_unprotected(name, &whole, at)) {
            for flip in 1..=255 {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                match read_tensors(name, &bytes) {
                    Err(wrong) => assert!(!wrong.message.is_empty()),
                    Ok(after) => assert!(same(&before, &after), "byte {at} of {name} is {:#04x}: {after:?}", bytes[at]),
                }
            }
        }
    }
}

#[track_caller]
fn refused(name: &str, bytes: &[u8], expected: &str) {
    let wrong = open(name, bytes).expect_err(expected);
    assert!(wrong.message.contains(expected), "{}", wrong.message);
}

#[test]
fn unknown_versions_of_npy_are_refused() {
    let bytes = plain_npy(&[1], &[0.5]);
    for (major, minor) in [(0, 0), (1, 1), (1, 255), (2, 1), (3, 9), (4, 0)] {
        let mut bytes = bytes.clone();
        bytes[6..8].copy_from_slice(&[major, minor]);
        refused("x.npy", &bytes, &format!("version {major}.{minor} of .npy, which is not known"));
    }
}

#[test]
fn inconsistent_zip_directories_are_refused() {
    let bytes = deflated("a", &plain_npy(&[1], &[0.5]));
    let at = |magic: &[u8]| bytes.windows(4).position(|found| found == magic).unwrap();
    let (central, end) = (at(b"PK\x01\x02"), at(b"PK\x05\x06"));
    let changed = |places: &[usize], flip: u8| -> Vec<u8> {
        bytes.iter().enumerate().map(|(n, byte)| if places.contains(&n) { byte ^ flip } else { *byte }).collect()
    };
    // the 16 flags are at byte 6 of the local header, and at byte 8 of the central one
    for bit in 0..16 {
        let (byte, flip) = (bit / 8, 1 << (bit % 8));
        let both = changed(&[6 + byte, central + 8 + byte], flip);
        match bit {
            0 | 6 | 13 => refused("x.npz", &both, "is encrypted"),
            1 | 2 | 3 | 11 => assert!(read_tensors("x.npz", &both).is_ok(), "bit {bit}"),
            _ => refused("x.npz", &both, "has the zip flags"),
        }
        if [1, 2, 3, 11].contains(&bit) {
            refused("x.npz", &changed(&[6 + byte], flip), "disagree");
        }
    }
    refused("x.npz", &changed(&[14], 1), "disagree"); // the checksum
    // the method in both headers: 8 becomes 1
    refused("x.npz", &changed(&[8, central + 10], 9), "compressed by method 1");
    // the end record: the number of this part at byte 4, the entries in this part and in all at 8 and 10, the length of the directory at 12
    refused("x.npz", &changed(&[end + 4], 1), "in several parts");
    refused("x.npz", &changed(&[end + 8], 1), "in several parts");
    refused("x.npz", &changed(&[end + 12], 1), "not at the position in its end record");
    refused("x.npz", &changed(&[end + 8, end + 10], 1), "does not have the length in its end record");
    // the header before the data lacks checksum and sizes, as when Python writes to a pipe
    let mut streamed = changed(&[6, central + 8], 1 << 3);
    streamed[14..26].fill(0);
    assert!(same(&read_tensors("x.npz", &streamed).unwrap(), &read_tensors("x.npz", &bytes).unwrap()));
    streamed[6] ^= 1 << 3;
    streamed[central + 8] ^= 1 << 3;
    refused("x.npz", &streamed, "disagree");
}

#[test]
fn overlapping_zip_entries_are_refused() {
    let bytes = deflated("a", &plain_npy(&[1], &[0.5]));
    let begin = bytes.windows(4).position(|found| found == b"PK\x01\x02").unwrap();
    // the end record has 22 bytes
    let end = bytes.len() - 22;
    let mut twice = [&bytes[..end], &bytes[begin..end], &bytes[end..]].concat();
    let last = twice.len() - 22;
    // two entries, and the length of their directory
    twice[last + 8] = 2;
    twice[last + 10] = 2;
    let length = u32::try_from(last - begin).unwrap();
    twice[last + 12..last + 16].copy_from_slice(&length.to_le_bytes());
    refused("x.npz", &twice, "overlap");
}

#[test]
#[cfg(target_os = "linux")]
fn sizes_in_a_header_are_checked_before_memory_is_allocated() {
    let before = peak();
    let mut files = 0;
    for entry in fs::read_dir(folder("invalid")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let _ = read_tensors(&name, &fs::read(&path).unwrap());
        files += 1;
    }
    assert!(files > 30);
    // a new thread reserves addresses too, but fewer than the smallest size in these headers
    assert!(peak() - before < 240 << 10, "{} KiB more", peak() - before);
}

#[test]
fn a_header_larger_than_the_memory_limit_is_refused() {
    let here = tempfile::tempdir().unwrap();
    fs::write(here.path().join("a.npy"), plain_npy(&[300, 300], &vec![0.0; 90_000])).unwrap();
    let text = "title = \"t\"\ninput = { file = \"a.npy\" }\ntarget = 0\nloss = \"squared_error\"\n[[layer]]\ntype = \"flatten\"\n";
    let source = Source { name: "t".into(), path_shown: "t.toml".into(), text: text.into() };
    let files = Arc::new(Folder::of(&here.path().join("t.toml")).unwrap());
    assert!(read_with_files(source.clone(), Limits { memory: 10 << 20 }, Arc::clone(&files) as _).is_ok());
    let faults = read_with_files(source.clone(), Limits { memory: 1 << 20 }, files).unwrap_err().to_string();
    assert!(faults.contains("the limit is 1.0 MiB"), "{faults}");
    // no file is read for a scenario without a folder
    let faults = read(source, Limits::default()).unwrap_err().to_string();
    assert!(faults.contains("it has no folder"), "{faults}");
}

#[test]
fn the_scenario_of_the_page_about_pytorch_is_valid() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pytorch.md")).unwrap();
    let text = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let here = tempfile::tempdir().unwrap();
    let tensor = |name: &str, shape: &[usize]| (name.to_owned(), shape.to_vec(), vec![0.5; shape.iter().product()]);
    let model = vec![tensor("0.weight", &[2, 1, 2, 2]), tensor("0.bias", &[2]), tensor("3.weight", &[3, 8]), tensor("3.bias", &[3])];
    fs::write(here.path().join("model.npz"), npz_archive(&model)).unwrap();
    fs::write(here.path().join("image.npy"), plain_npy(&[1, 3, 3], &[0.5; 9])).unwrap();
    let source = Source { name: "model".into(), path_shown: "model.toml".into(), text: text.into() };
    let files = Arc::new(Folder::of(&here.path().join("model.toml")).unwrap());
    let scenario = read_with_files(source, Limits::default(), files).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(scenario.files, ["image.npy", "model.npz"]);
}

/// The number of bytes of a file of a folder, or the message if it is not read. `most` is the largest number of bytes that may be read.
fn message(folder: &Folder, path: &str, most: usize) -> String {
    folder.read(path, most).map_or_else(|wrong| wrong.message, |bytes| format!("{} bytes", bytes.len()))
}

#[test]
fn files_are_read_inside_the_folder_and_up_to_the_limit() {
    let outside = tempfile::tempdir().unwrap();
    let here = outside.path().join("here");
    fs::create_dir_all(here.join("sub.npy")).unwrap();
    fs::write(outside.path().join("a.npy"), "outside").unwrap();
    fs::write(here.join("a.npy"), "1234").unwrap();
    fs::write(here.join("sub.npy/b.npy"), "12").unwrap();
    let folder = Folder::of(&here.join("t.toml")).unwrap();
    let absolute = here.join("a.npy").to_str().unwrap().to_owned();
    for (path, most, expected) in [
        ("a.npy", 4, "4 bytes"),
        ("./sub.npy/b.npy", 4, "2 bytes"),
        ("sub.npy/./b.npy", 4, "2 bytes"),
        ("a.npy", 3, "the files with weights have more than 256 MiB in all"),
        ("none.npy", 4, "there is no file \"none.npy\" in the scenario's folder"),
        ("a.npy/b.npy", 4, "\"a.npy/b.npy\" cannot be read"),
        ("sub.npy", 4, "\"sub.npy\" is a folder"),
        ("../a.npy", 9, "\"../a.npy\" has a .., and a path may not go up"),
        // the file is in the folder, but the path goes up and down again
        ("sub.npy/../a.npy", 9, "\"sub.npy/../a.npy\" has a .., and a path may not go up"),
        ("./sub.npy/../sub.npy/b.npy", 9, "has a .., and a path may not go up"),
        ("../here/a.npy", 9, "has a .., and a path may not go up"),
        (&absolute, 9, "is an absolute path"),
        ("/../a.npy", 9, "is an absolute path"),
        ("", 9, "is a folder"),
    ] {
        let found = message(&folder, path, most);
        assert!(found.contains(expected), "{path}: {found}");
    }
    assert!(Folder::of(Path::new("t.toml")).is_ok(), "a bare name is in the current folder");
    assert!(Folder::of(&here.join("none/t.toml")).is_err());
}

#[test]
#[cfg(unix)]
fn links_that_lead_out_pipes_and_devices_are_refused() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    let here = outside.path().join("here");
    fs::create_dir(&here).unwrap();
    fs::create_dir(outside.path().join("here-too")).unwrap();
    fs::write(outside.path().join("a.npy"), "outside").unwrap();
    fs::write(outside.path().join("here-too/a.npy"), "outside").unwrap();
    fs::write(here.join("a.npy"), "1234").unwrap();
    symlink("a.npy", here.join("inside.npy")).unwrap();
    symlink("../a.npy", here.join("file.npy")).unwrap();
    symlink("..", here.join("folder")).unwrap();
    symlink("../here-too", here.join("beside")).unwrap();
    symlink("loop.npy", here.join("loop.npy")).unwrap();
    symlink("/dev/zero", here.join("zero.npy")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, here.join("pipe.npy"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let folder = Folder::of(&here.join("t.toml")).unwrap();
    for (path, expected) in [
        ("inside.npy", "4 bytes"),
        ("file.npy", "leads out of the scenario's folder"),
        ("folder/a.npy", "leads out of the scenario's folder"),
        ("beside/a.npy", "leads out of the scenario's folder"),
        ("zero.npy", "leads out of the scenario's folder"),
        ("loop.npy", "cannot be read"),
        ("pipe.npy", "\"pipe.npy\" is not a regular file"),
    ] {
        let found = message(&folder, path, 100);
        assert!(found.contains(expected), "{path}: {found}");
    }
    // the scenario's own folder may be a link
    symlink("here", outside.path().join("link")).unwrap();
    assert_eq!(message(&Folder::of(&outside.path().join("link/t.toml")).unwrap(), "a.npy", 100), "4 bytes");
}

/// While a file is read, a folder on its path is swapped again and again with a link that leads out of the scenario's folder.
#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_becomes_a_link_during_a_read_does_not_lead_out() {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use rustix::fs::{CWD, RenameFlags, renameat_with};

    let outside = tempfile::tempdir().unwrap();
    let here = outside.path().join("here");
    let (sub, link) = (here.join("sub"), here.join("link"));
    fs::create_dir_all(&sub).unwrap();
    fs::create_dir(outside.path().join("there")).unwrap();
    fs::write(sub.join("a.npy"), "inside").unwrap();
    fs::write(outside.path().join("there/a.npy"), "outside").unwrap();
    symlink("../there", &link).unwrap();
    let folder = Folder::of(&here.join("t.toml")).unwrap();
    let done = AtomicBool::new(false);
    let mut read = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                renameat_with(CWD, &sub, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..20_000 {
            match folder.read("sub/a.npy", 100) {
                Ok(bytes) if bytes == b"inside" => read += 1,
                Ok(bytes) => {
                    done.store(true, Relaxed);
                    panic!("read {:?}", String::from_utf8_lossy(&bytes));
                }
                Err(_) => {}
            }
        }
        done.store(true, Relaxed);
    });
    assert!(read > 0, "sometimes the folder itself is there, and the file is read");
}

/// The peak address space of this process, in KiB.
#[cfg(target_os = "linux")]
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmPeak:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
