//! Formats that gradstep does not read, with help texts that say what to write in Python instead. The end of a file's name or its first bytes show the format.

use super::{WeightsError, tensor_files};

/// A format that gradstep does not read.
#[derive(Debug)]
pub struct ForeignFormat {
    /// The ends of file names, in lower case.
    extensions: &'static [&'static str],
    /// The first bytes of a file. If there are none, only the name shows the format.
    first_bytes: &'static [&'static [u8]],
    /// A description of such a file: "it is …".
    what: &'static str,
    /// The help text. `FILE` in it is replaced by the name of the file.
    help: &'static str,
}

/// The formats. The first one that fits is used.
#[rustfmt::skip]
const FORMATS: [ForeignFormat; 12] = [
    ForeignFormat { extensions: &[], first_bytes: &[b"version https://git-lfs"],
        what: "a pointer of Git LFS: the tensors themselves were not downloaded", help: "fetch them with `git lfs pull`" },
    ForeignFormat { extensions: &[".html"], first_bytes: &[b"<!DOCTYPE", b"<!doctype", b"<html", b"<HTML"],
        what: "a web page, not the file that it offers", help: "download the file itself: its address has /resolve/ or /raw/ in place of /blob/" },
    ForeignFormat { extensions: &[".h5", ".hdf5", ".keras"], first_bytes: &[b"\x89HDF\r\n\x1a\n"],
        what: "a file of Keras or HDF5",
        help: "in Python: model = keras.models.load_model(FILE); np.savez(\"model.npz\", **{w.path: w.numpy() for w in model.weights}); the scenario has layout = \"keras\"" },
    ForeignFormat { extensions: &[".onnx"], first_bytes: &[],
        what: "a model of ONNX",
        help: "in Python: import onnx, onnx.numpy_helper; np.savez(\"model.npz\", **{t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(FILE).graph.initializer})" },
    ForeignFormat { extensions: &[".gguf", ".ggml"], first_bytes: &[b"GGUF"],
        what: "a quantised model of llama.cpp", help: "take the .safetensors file that it was made from, or a smaller model" },
    ForeignFormat { extensions: &[".bin", ".ckpt"], first_bytes: &[],
        what: "perhaps a file of torch.save", help: "if torch.save has written it, rename it to .pt" },
    ForeignFormat { extensions: &[".pkl", ".pickle", ".joblib"], first_bytes: &[],
        what: "a pickle",
        help: "a pickle of any program may run code, so gradstep reads those of torch.save alone: save the tensors with np.savez or torch.save" },
    ForeignFormat { extensions: &[".tflite", ".pb", ".index", ".pbtxt", ".pt2", ".mlmodel", ".engine"], first_bytes: &[],
        what: "a model with its program", help: "save its tensors alone: torch.save(model.state_dict(), \"model.pt\"), or np.savez(\"model.npz\", name=array)" },
    ForeignFormat { extensions: &[".mat"], first_bytes: &[b"MATLAB 5.0"],
        what: "a file of MATLAB", help: "in Python: np.savez(\"data.npz\", **{k: v for k, v in scipy.io.loadmat(FILE).items() if k[0] != \"_\"})" },
    ForeignFormat { extensions: &[".csv", ".tsv", ".txt"], first_bytes: &[],
        what: "a table of text", help: "in Python: np.save(\"data.npy\", np.loadtxt(FILE, delimiter=\",\"))" },
    ForeignFormat { extensions: &[".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"], first_bytes: &[b"\x89PNG", b"\xff\xd8\xff", b"GIF8"],
        what: "a picture",
        help: "in Python: np.save(\"image.npy\", np.asarray(PIL.Image.open(FILE)) / 255); the scenario has image_layout = \"hwc\"" },
    ForeignFormat { extensions: &[".zip", ".tar", ".gz", ".7z", ".parquet", ".arrow", ".npy.gz"], first_bytes: &[],
        what: "an archive", help: concat!("unpack it; tensors are read from ", tensor_files!()) },
];

impl ForeignFormat {
    /// Finds the format of a file by its name.
    #[must_use]
    pub fn by_name(path: &str) -> Option<&'static Self> {
        let path = path.to_lowercase();
        FORMATS.iter().find(|format| format.extensions.iter().any(|end| path.ends_with(end)))
    }

    /// Finds the format of a file by its first bytes.
    #[must_use]
    pub fn by_bytes(bytes: &[u8]) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.first_bytes.iter().any(|first| bytes.starts_with(first)))
    }

    /// Returns the error for a file of this format with the name `file`. The message continues the sentence "… cannot be read: ".
    #[must_use]
    pub fn error(&self, file: &str) -> WeightsError {
        WeightsError::new(format!("it is {}", self.what), self.help.replace("FILE", &format!("\"{file}\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_its_name_or_its_bytes() {
        let what = |format: Option<&'static ForeignFormat>| format.map_or("", |format| format.what);
        assert_eq!(what(ForeignFormat::by_name("Model.ONNX")), "a model of ONNX");
        assert_eq!(what(ForeignFormat::by_bytes(b"GGUF\x03\0")), "a quantised model of llama.cpp");
        assert!(ForeignFormat::by_name("model.pt").is_none() && ForeignFormat::by_bytes(b"PK\x03\x04").is_none());
        let error = ForeignFormat::by_name("a.csv").expect("a format").error("a.csv");
        assert_eq!(error.help, "in Python: np.save(\"data.npy\", np.loadtxt(\"a.csv\", delimiter=\",\"))");
    }
}
