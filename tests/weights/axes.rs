//! Tensors whose axes are in another order in the file. All spellings of an array give the same tensor.

use std::sync::Arc;

use gradstep::network::Role;
use gradstep::scenario::{Files, Limits, Scenario, Source, read_with_files};
use gradstep::tensor::flat;
use gradstep::weights::WeightsError;

use super::plain_npy;

/// One file, which has every name.
#[derive(Debug)]
struct OneFile(Vec<u8>);

impl Files for OneFile {
    fn read(&self, _: &str, _: usize) -> Result<Vec<u8>, WeightsError> {
        Ok(self.0.clone())
    }
}

fn scenario(text: String, file: &[u8]) -> Scenario {
    let source = Source { name: "t".into(), path_shown: "t.toml".into(), text };
    read_with_files(source, Limits::default(), Arc::new(OneFile(file.to_vec()))).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn an_image_with_its_channels_last_is_the_same_in_all_spellings() {
    // numpy.arange(12).reshape(1, 2, 2, 3), and the same array with its axes in the order w, h, c, n
    let written = "[[[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]]";
    let whcn = plain_npy(&[2, 2, 3, 1], &[0.0, 1.0, 2.0, 6.0, 7.0, 8.0, 3.0, 4.0, 5.0, 9.0, 10.0, 11.0]);
    // by NumPy: numpy.arange(12).reshape(1, 2, 2, 3).transpose(0, 3, 1, 2)[0]
    let expected = [0.0, 3.0, 6.0, 9.0, 1.0, 4.0, 7.0, 10.0, 2.0, 5.0, 8.0, 11.0];
    for image in [
        written,
        &written[1..written.len() - 1],
        "{ init = \"arange\", shape = [1, 2, 2, 3] }",
        "{ init = \"arange\", shape = [2, 2, 3] }",
        "{ file = \"x.npy\", permute = [3, 1, 0, 2] }",
        "{ file = \"x.npy\", reshape = [2, 2, 3], permute = [1, 0, 2] }",
    ] {
        let text = format!(
            "title = \"t\"\nimage_layout = \"hwc\"\nloss = \"squared_error\"\ninput = {image}\ntarget = {image}\n\
             [[layer]]\ntype = \"activation\"\nfunction = \"relu\"\n"
        );
        let scenario = scenario(text, &whcn);
        for role in [Role::Input { learns: false }, Role::Target] {
            let id = scenario.network.with_role(role).next().unwrap();
            let (_, tensor) = scenario.sample_tensors(0).into_iter().find(|(other, _)| *other == id).unwrap();
            assert_eq!((tensor.shape(), flat(&tensor)), (&[3, 2, 2][..], &expected[..]), "{role:?} = {image}");
        }
    }
}

#[test]
fn a_permuted_depthwise_kernel_has_its_multipliers_beside_each_other() {
    // Keras' kernel, 1 x 1 x 2 inputs x 2 multipliers, is [[[[0, 1], [2, 3]]]]; the file has its last two axes exchanged
    let file = plain_npy(&[1, 1, 2, 2], &[0.0, 2.0, 1.0, 3.0]);
    let text = "title = \"t\"\nloss = \"upstream\"\ninput = [[[1]], [[2]]]\ntarget = { init = \"ones\" }\n\
                [[layer]]\ntype = \"conv2d\"\ngroups = 2\nweight_layout = \"hwio\"\n\
                weight = { file = \"x.npy\", permute = [0, 1, 3, 2] }\n";
    let scenario = scenario(text.to_owned(), &file);
    let id = scenario.network.find("conv1.weight").unwrap();
    let (_, weight) = scenario.network.shared_tensors().iter().find(|(other, _)| *other == id).unwrap();
    assert_eq!((weight.shape(), flat(weight)), (&[4, 1, 1, 1][..], &[0.0, 1.0, 2.0, 3.0][..]));
}

#[test]
fn bytes_are_reported_in_any_order_of_axes() {
    let mut header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 2, 1), }".to_owned();
    header.push('\n');
    let file =
        [&b"\x93NUMPY\x01\x00"[..], &u16::try_from(header.len()).unwrap().to_le_bytes(), header.as_bytes(), &[0, 1, 2, 255]].concat();
    for layout in ["chw", "hwc"] {
        for keys in ["reshape = [1, 2, 2]", "permute = [0, 1, 2, 3], reshape = [1, 1, 2, 2]"] {
            let text = format!(
                "title = \"t\"\nimage_layout = \"{layout}\"\nloss = \"upstream\"\ntarget = {{ init = \"ones\" }}\n\
                 input = {{ file = \"x.npy\", {keys} }}\n[[layer]]\ntype = \"activation\"\nfunction = \"relu\"\n"
            );
            let warnings = scenario(text, &file).warnings;
            let messages: Vec<&str> = warnings.faults().iter().map(|fault| fault.message.as_str()).collect();
            assert_eq!(messages, ["\"x.npy\" has bytes, from 0 to 255"], "{layout}, {keys}");
        }
    }
}
