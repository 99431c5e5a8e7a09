//! The values of a pickle, and the names that it may use.

use super::dtypes::ElementType;

/// A value. A container is represented by its index in a list of the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PickleValue {
    /// `None`, a decimal number or a negative number. Such a value describes no tensor.
    Other,
    /// A boolean.
    Flag(bool),
    /// An integer that is not negative.
    Integer(u64),
    /// A text: the positions of its first byte and of the byte after its last one, in the bytes of the file.
    Text(u32, u32),
    /// A list or a tuple.
    Items(u32),
    /// A dictionary.
    Dictionary(u32),
    /// A function, class or type of Python.
    Name(Name),
    /// A storage, by its index.
    Storage(u32),
    /// A tensor, by its index.
    Tensor(u32),
    /// The mark on the stack below the items of a list, a tuple or a dictionary. In the memo, it means that nothing is stored.
    Mark,
}

/// The functions, classes and types of Python that a pickle may name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Name {
    /// A dictionary that keeps its order.
    OrderedDict,
    /// A function that makes a tensor of a typed storage. Its arguments are the storage, the offset, the shape, the strides, ….
    Tensor,
    /// A function that makes a tensor of a storage of bytes. Its arguments are those of `Tensor`, and the seventh is the type.
    TypedTensor,
    /// A function that makes a parameter. Its arguments are a tensor, ….
    Parameter,
    /// A shape: a tuple.
    Size,
    /// The type of a tensor's numbers.
    Type(ElementType),
    /// A storage of bytes.
    UntypedStorage,
}

/// The names of functions and classes, with their modules.
pub(super) const NAMES: [(&str, &str, Name); 8] = [
    ("collections", "OrderedDict", Name::OrderedDict),
    ("torch._utils", "_rebuild_tensor", Name::Tensor),
    ("torch._utils", "_rebuild_tensor_v2", Name::Tensor),
    ("torch._utils", "_rebuild_tensor_v3", Name::TypedTensor),
    ("torch._utils", "_rebuild_parameter", Name::Parameter),
    ("torch", "Size", Name::Size),
    ("torch.storage", "UntypedStorage", Name::UntypedStorage),
    ("torch", "UntypedStorage", Name::UntypedStorage),
];

/// A storage: the numbers of one or more tensors.
#[derive(Clone, Debug)]
pub(super) struct StorageInfo {
    /// The type of its numbers; `None` for bytes.
    pub element: Option<ElementType>,
    /// Its name in the file.
    pub key: String,
    /// The number of its elements, or of its bytes if it has no type.
    pub count: u64,
}

/// A tensor: a view of a storage.
#[derive(Clone, Debug)]
pub(super) struct StorageView {
    /// The index of its storage.
    pub storage: usize,
    /// The type of its numbers.
    pub element: ElementType,
    /// The position of its first number in the storage, counted in numbers.
    pub offset: u64,
    pub shape: Vec<u64>,
    /// For each axis, the distance in the storage between two neighbouring entries, counted in numbers.
    pub strides: Vec<u64>,
}
