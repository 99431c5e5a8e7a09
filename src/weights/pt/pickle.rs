//! A machine for the pickles that `torch.save` writes. It builds dictionaries, lists, tuples, numbers and descriptions of tensors, and nothing else.
//!
//! A pickle is a program for a machine with a stack. For example, `}` pushes an empty dictionary, `X` pushes a text, and `s` puts the two topmost values into
//! the dictionary below them. In Python, two instructions make a pickle dangerous: GLOBAL names any function or class, and REDUCE calls it. Here, a name that
//! is neither in [`NAMES`] nor a type of numbers ends the program with an error, and only functions of this file are called, which describe a tensor.
//!
//! Values are indices into lists of the machine ([`PickleValue`]). So a value that a program uses many times is stored once, and nothing is copied or visited
//! recursively. The number of bytes that a program may use for its values is limited.

use super::super::{WeightsError, read_le};
use super::dtypes::ElementType;
use super::values::{NAMES, Name, PickleValue, StorageInfo, StorageView};
use crate::text::counted;

/// The help for a pickle with other values than tensors.
pub(super) const SAVE_STATE_DICT: &str = "nothing in the file is run, so it may hold only dictionaries, lists, numbers and tensors: save the tensors alone, torch.save(model.state_dict(), \"model.pt\")";

/// The largest size in bytes of a pickle.
const MAX_PICKLE: usize = 16 << 20;
/// The largest number of bytes that a pickle may fill with its values.
const MAX_FILLED: usize = 30 << 20;
/// The number of bytes that [`Pickle::count_bytes`] counts for a value in a list.
const VALUE_BYTES: usize = 16;
/// The number of bytes that [`Pickle::count_bytes`] counts for a list without its values.
const CONTAINER_BYTES: usize = 48;

/// The values of a pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    bytes: &'a [u8],
    /// The position of the next instruction; at the end, the position after the last one.
    pub end: usize,
    /// The value that the program leaves on the stack.
    pub root: PickleValue,
    lists: Vec<Vec<PickleValue>>,
    dictionaries: Vec<Vec<(PickleValue, PickleValue)>>,
    pub storages: Vec<StorageInfo>,
    pub tensors: Vec<StorageView>,
    stack: Vec<PickleValue>,
    /// The values that the program has stored, to push them again later.
    memo: Vec<PickleValue>,
    /// The number of bytes used so far.
    filled: usize,
    /// The largest number of values on the stack so far.
    highest: usize,
}

fn damaged(what: &str) -> WeightsError {
    WeightsError::new(format!("its pickle {what}"), "the file is damaged, or not one that torch.save has written")
}

impl<'a> Pickle<'a> {
    /// Reads the pickle that begins at `start`.
    pub fn read(bytes: &'a [u8], start: usize) -> Result<Self, WeightsError> {
        let bytes = &bytes[..bytes.len().min(start.saturating_add(MAX_PICKLE))];
        let mut pickle = Self {
            bytes,
            end: start,
            root: PickleValue::Other,
            lists: Vec::new(),
            dictionaries: Vec::new(),
            storages: Vec::new(),
            tensors: Vec::new(),
            stack: Vec::new(),
            memo: Vec::new(),
            filled: 0,
            highest: 0,
        };
        while pickle.step()? {}
        pickle.root = pickle.pop()?;
        (pickle.stack, pickle.memo) = Default::default();
        Ok(pickle)
    }

    /// Returns the text of a value; `None` if it is not a text.
    pub fn text(&self, value: PickleValue) -> Option<&'a str> {
        let PickleValue::Text(start, end) = value else { return None };
        str::from_utf8(self.bytes.get(start as usize..end as usize)?).ok()
    }

    /// Returns the entries of a dictionary, and the items of a list with their numbers as keys.
    pub fn entries(&self, value: PickleValue) -> Vec<(PickleValue, PickleValue)> {
        let numbered = |items: &[PickleValue]| (0..).map(PickleValue::Integer).zip(items.iter().copied()).collect();
        match value {
            PickleValue::Dictionary(number) => self.dictionaries[number as usize].clone(),
            PickleValue::Items(number) => numbered(&self.lists[number as usize]),
            _ => Vec::new(),
        }
    }

    /// Counts bytes that are used for values. Returns an error if they exceed [`MAX_FILLED`].
    fn count_bytes(&mut self, bytes: usize) -> Result<(), WeightsError> {
        self.filled += bytes;
        if self.filled <= MAX_FILLED {
            return Ok(());
        }
        Err(WeightsError::new(
            "its pickle has more values than gradstep reads",
            "save the tensors that you need: torch.save({\"weight\": tensor}, \"model.pt\")",
        ))
    }

    fn push(&mut self, value: PickleValue) -> Result<(), WeightsError> {
        self.stack.push(value);
        if self.stack.len() > self.highest {
            self.highest = self.stack.len();
            self.count_bytes(VALUE_BYTES)?;
        }
        Ok(())
    }

    fn pop(&mut self) -> Result<PickleValue, WeightsError> {
        match self.stack.pop() {
            Some(PickleValue::Mark) | None => Err(damaged("takes a value from an empty stack")),
            Some(value) => Ok(value),
        }
    }

    /// Takes the values above the last mark, and the mark.
    fn pop_marked(&mut self) -> Result<Vec<PickleValue>, WeightsError> {
        let mark =
            self.stack.iter().rposition(|value| *value == PickleValue::Mark).ok_or_else(|| damaged("has no mark where one must be"))?;
        let values = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(values)
    }

    fn push_list(&mut self, items: Vec<PickleValue>) -> Result<(), WeightsError> {
        self.count_bytes(CONTAINER_BYTES + VALUE_BYTES * items.len())?;
        self.lists.push(items);
        self.push(PickleValue::Items(last_index(&self.lists)))
    }

    fn push_dictionary(&mut self) -> Result<(), WeightsError> {
        self.count_bytes(CONTAINER_BYTES)?;
        self.dictionaries.push(Vec::new());
        self.push(PickleValue::Dictionary(last_index(&self.dictionaries)))
    }

    /// Returns the next `count` bytes.
    fn take(&mut self, count: usize) -> Result<&'a [u8], WeightsError> {
        let end = self.end.checked_add(count).ok_or_else(|| damaged("is cut off"))?;
        let taken = self.bytes.get(self.end..end).ok_or_else(|| damaged("is cut off"))?;
        self.end = end;
        Ok(taken)
    }

    /// Returns the integer of the next `N` bytes, without a sign.
    fn integer<const N: usize>(&mut self) -> Result<usize, WeightsError> {
        let read = read_le::<N>(self.bytes, self.end);
        self.end += N;
        read.and_then(|integer| usize::try_from(integer).ok()).ok_or_else(|| damaged("is cut off"))
    }

    /// Pushes the text of the next `length` bytes.
    fn push_text(&mut self, length: usize) -> Result<(), WeightsError> {
        let start = self.end;
        self.take(length)?;
        // a file has at most 256 MiB, so its positions fit
        let position = |at: usize| u32::try_from(at).map_err(|_| damaged("is too long"));
        self.push(PickleValue::Text(position(start)?, position(self.end)?))
    }

    /// Stores the topmost value of the stack at an index of the memo.
    fn store(&mut self, index: usize) -> Result<(), WeightsError> {
        let value = *self.stack.last().ok_or_else(|| damaged("stores a value although its stack is empty"))?;
        if index >= self.memo.len() {
            self.count_bytes(VALUE_BYTES.saturating_mul(index + 1 - self.memo.len()))?;
            self.memo.resize(index + 1, PickleValue::Mark);
        }
        self.memo[index] = value;
        Ok(())
    }

    /// Pushes the value at an index of the memo.
    fn recall(&mut self, index: usize) -> Result<(), WeightsError> {
        match self.memo.get(index) {
            Some(PickleValue::Mark) | None => Err(damaged("reads a value that it has not stored")),
            Some(&value) => self.push(value),
        }
    }

    /// Carries out one instruction. Returns `false` after the last one. The comments are the names in Python's `pickletools`.
    fn step(&mut self) -> Result<bool, WeightsError> {
        let opcode = self.take(1)?[0];
        match opcode {
            b'.' => return Ok(false),                                     // STOP
            0x80 => self.check_protocol()?,                               // PROTO
            0x95 => drop(self.take(8)?),                                  // FRAME, with its length
            b'(' => self.push(PickleValue::Mark)?,                        // MARK
            b'0' => drop(self.pop()?),                                    // POP
            b'1' => drop(self.pop_marked()?),                             // POP_MARK
            b'N' => self.push(PickleValue::Other)?,                       // NONE
            0x88 | 0x89 => self.push(PickleValue::Flag(opcode == 0x88))?, // NEWTRUE, NEWFALSE
            b'G' => {
                self.take(8)?; // BINFLOAT
                self.push(PickleValue::Other)?;
            }
            b'J' => {
                let integer = self.integer::<4>()?; // BININT
                // the highest bit of a negative integer is 1
                let is_negative = integer >> 31 == 1;
                self.push(if is_negative { PickleValue::Other } else { PickleValue::Integer(integer as u64) })?;
            }
            b'K' => self.push_integer::<1>()?, // BININT1
            b'M' => self.push_integer::<2>()?, // BININT2
            0x8a => self.push_long()?,         // LONG1
            b'X' | b'T' => {
                let length = self.integer::<4>()?; // BINUNICODE, BINSTRING
                self.push_text(length)?;
            }
            0x8c | b'U' => {
                let length = self.integer::<1>()?; // SHORT_BINUNICODE, SHORT_BINSTRING
                self.push_text(length)?;
            }
            b'}' => self.push_dictionary()?,            // EMPTY_DICT
            b']' | b')' => self.push_list(Vec::new())?, // EMPTY_LIST, EMPTY_TUPLE
            b't' => {
                let items = self.pop_marked()?; // TUPLE
                self.push_list(items)?;
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84); // TUPLE1, TUPLE2, TUPLE3
                let start = self.stack.len().checked_sub(count).ok_or_else(|| damaged("takes a value from an empty stack"))?;
                let items = self.stack.split_off(start);
                self.push_list(items)?;
            }
            b'a' => {
                let item = self.pop()?; // APPEND
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_marked()?; // APPENDS
                self.append(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?); // SETITEM
                self.insert(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_marked()?; // SETITEMS
                self.insert(&items)?;
            }
            b'q' => self.integer::<1>().and_then(|index| self.store(index))?, // BINPUT
            b'r' => self.integer::<4>().and_then(|index| self.store(index))?, // LONG_BINPUT
            0x94 => self.store(self.memo.len())?,                             // MEMOIZE
            b'h' => self.integer::<1>().and_then(|index| self.recall(index))?, // BINGET
            b'j' => self.integer::<4>().and_then(|index| self.recall(index))?, // LONG_BINGET
            b'c' => self.push_name_of_lines()?,                               // GLOBAL
            0x93 => self.push_name_of_texts()?,                               // STACK_GLOBAL
            b'R' => self.call()?,                                             // REDUCE
            b'b' => self.build()?,                                            // BUILD
            b'Q' => self.push_storage()?,                                     // BINPERSID
            _ => {
                return Err(WeightsError::new(
                    format!("its pickle has the instruction {opcode:#04x}, which builds no tensor"),
                    SAVE_STATE_DICT,
                ));
            }
        }
        Ok(true)
    }

    fn check_protocol(&mut self) -> Result<(), WeightsError> {
        match self.integer::<1>()? {
            0..=5 => Ok(()),
            version => Err(damaged(&format!("has version {version}, which is not known"))),
        }
    }

    fn push_integer<const N: usize>(&mut self) -> Result<(), WeightsError> {
        let integer = self.integer::<N>()?;
        self.push(PickleValue::Integer(integer as u64))
    }

    /// Pushes an integer of any length: little-endian, with a sign.
    fn push_long(&mut self) -> Result<(), WeightsError> {
        let length = self.integer::<1>()?;
        let bytes = self.take(length)?;
        let is_negative = bytes.last().is_some_and(|byte| byte >> 7 == 1);
        let (low, high) = bytes.split_at(bytes.len().min(8));
        let mut wide = [0; 8];
        wide[..low.len()].copy_from_slice(low);
        let fits = !is_negative && high.iter().all(|&byte| byte == 0);
        self.push(if fits { PickleValue::Integer(u64::from_le_bytes(wide)) } else { PickleValue::Other })
    }

    fn append(&mut self, items: Vec<PickleValue>) -> Result<(), WeightsError> {
        self.count_bytes(VALUE_BYTES * items.len())?;
        let Some(&PickleValue::Items(list)) = self.stack.last() else { return Err(damaged("appends to a value that is not a list")) };
        self.lists[list as usize].extend(items);
        Ok(())
    }

    /// Puts keys and values, which take turns in `items`, into the dictionary on the stack.
    fn insert(&mut self, items: &[PickleValue]) -> Result<(), WeightsError> {
        self.count_bytes(VALUE_BYTES * items.len())?;
        let (pairs, rest) = items.as_chunks::<2>();
        let Some(&PickleValue::Dictionary(dictionary)) = self.stack.last() else {
            return Err(damaged("puts items into a value that is not a dictionary"));
        };
        if !rest.is_empty() {
            return Err(damaged("has a key without a value"));
        }
        self.dictionaries[dictionary as usize].extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    /// Pushes the function, class or type that the next two lines name: its module, and its name there.
    fn push_name_of_lines(&mut self) -> Result<(), WeightsError> {
        let mut line = || {
            let rest = &self.bytes[self.end..];
            let length =
                rest.iter().take(MAX_PYTHON_NAME).position(|&byte| byte == b'\n').ok_or_else(|| damaged("has a name without an end"))?;
            self.end += length + 1;
            Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
        };
        let (module, name) = (line()?, line()?);
        self.push_name(&module, &name)
    }

    /// Pushes the function, class or type that the two topmost texts name: its module, and above it its name there.
    fn push_name_of_texts(&mut self) -> Result<(), WeightsError> {
        let (name, module) = (self.pop()?, self.pop()?);
        match (self.text(module), self.text(name)) {
            (Some(module), Some(name)) => self.push_name(module, name),
            _ => Err(damaged("has a name that is not a text")),
        }
    }

    fn push_name(&mut self, module: &str, name: &str) -> Result<(), WeightsError> {
        let known = NAMES.iter().find(|row| (row.0, row.1) == (module, name)).map(|&(.., known)| known);
        let element = || ElementType::of_torch(name).filter(|_| module == "torch").map(Name::Type);
        if let Some(name) = known.or_else(element) {
            return self.push(PickleValue::Name(name));
        }
        let shown: String = format!("{module}.{name}").chars().take(MAX_PYTHON_NAME).collect();
        let help = if module.starts_with("torch.nn") || module == "__main__" || module.contains("model") {
            "the file holds a whole module, which is code: in Python, save its tensors alone, torch.save(model.state_dict(), \"model.pt\")"
        } else if name.contains("qtensor") {
            "the file has quantised tensors: save plain ones, tensor.dequantize()"
        } else if name.contains("sparse") {
            "the file has sparse tensors: save dense ones, tensor.to_dense()"
        } else {
            SAVE_STATE_DICT
        };
        Err(WeightsError::new(format!("its pickle asks for {shown}"), help))
    }

    /// Calls the function on the stack, which is below the tuple of its arguments. Its result is a description of a tensor, a dictionary or a shape.
    fn call(&mut self) -> Result<(), WeightsError> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (PickleValue::Items(arguments), PickleValue::Name(function)) = (arguments, function) else {
            return Err(damaged("calls a value that is not a function"));
        };
        // none of the functions reads more than seven arguments; with more, `TypedTensor` is not recognized
        let arguments: Vec<PickleValue> = self.lists[arguments as usize].iter().take(8).copied().collect();
        match (function, &arguments[..]) {
            (Name::OrderedDict, []) => self.push_dictionary(),
            (Name::OrderedDict, &[pairs @ PickleValue::Items(_)]) => self.push_pairs(pairs),
            (Name::Size, &[value @ PickleValue::Items(_)]) | (Name::Parameter, &[value @ PickleValue::Tensor(_), ..]) => self.push(value),
            (Name::Tensor, &[PickleValue::Storage(storage), PickleValue::Integer(offset), shape, strides, ..]) => {
                let element = self.storages[storage as usize].element;
                self.push_tensor(storage, element, offset, [shape, strides])
            }
            (
                Name::TypedTensor,
                &[
                    PickleValue::Storage(storage),
                    PickleValue::Integer(offset),
                    shape,
                    strides,
                    _requires_grad,
                    _backward_hooks,
                    PickleValue::Name(Name::Type(element)),
                ],
            ) => self.push_tensor(storage, Some(element), offset, [shape, strides]),
            _ => Err(WeightsError::new("its pickle makes a value that is neither a tensor nor a dictionary", SAVE_STATE_DICT)),
        }
    }

    /// Pushes the dictionary of a list of pairs (key, value). Python 2 wrote an `OrderedDict` in this way.
    fn push_pairs(&mut self, pairs: PickleValue) -> Result<(), WeightsError> {
        self.push_dictionary()?;
        for (_, pair) in self.entries(pairs) {
            // at most three, which is enough to see whether there are two
            let items: Vec<PickleValue> = self.entries(pair).into_iter().map(|(_, item)| item).take(3).collect();
            match (pair, items.len()) {
                (PickleValue::Items(_), 2) => self.insert(&items)?,
                _ => return Err(damaged("has a dictionary of values that are not pairs")),
            }
        }
        Ok(())
    }

    fn push_tensor(
        &mut self,
        storage: u32,
        element: Option<ElementType>,
        offset: u64,
        [shape, strides]: [PickleValue; 2],
    ) -> Result<(), WeightsError> {
        let sizes = |value: PickleValue| match value {
            PickleValue::Items(list) => {
                let sizes = self.lists[list as usize].iter().map(|item| match item {
                    PickleValue::Integer(size) => Some(*size),
                    _ => None,
                });
                sizes.collect::<Option<Vec<u64>>>()
            }
            _ => None,
        };
        let (Some(shape), Some(strides), Some(element)) = (sizes(shape), sizes(strides), element) else {
            return Err(damaged("has a tensor without a shape, strides or a type"));
        };
        if shape.len() != strides.len() {
            return Err(damaged(&format!(
                "has a tensor of {} and {}",
                counted(shape.len(), "dimension"),
                counted(strides.len(), "stride")
            )));
        }
        self.count_bytes(CONTAINER_BYTES * 2 + VALUE_BYTES * shape.len())?;
        self.tensors.push(StorageView { storage: storage as usize, element, offset, shape, strides });
        self.push(PickleValue::Tensor(last_index(&self.tensors)))
    }

    /// Takes the attributes of the object below them from the stack. The object must be a dictionary: its attributes describe modules, and are not needed.
    fn build(&mut self) -> Result<(), WeightsError> {
        self.pop()?;
        match self.stack.last() {
            Some(PickleValue::Dictionary(_)) => Ok(()),
            _ => Err(WeightsError::new("its pickle gives attributes to a value that is not a dictionary", SAVE_STATE_DICT)),
        }
    }

    /// Replaces the description of a storage, the tuple ("storage", type, key, device, count, …), by the storage.
    fn push_storage(&mut self) -> Result<(), WeightsError> {
        let PickleValue::Items(list) = self.pop()? else { return Err(damaged("has a storage without a description")) };
        let description: Vec<PickleValue> = self.lists[list as usize].iter().take(6).copied().collect();
        let &[word, PickleValue::Name(kind), key, _, PickleValue::Integer(count), ref view @ ..] = &description[..] else {
            return Err(damaged("has a storage without a description"));
        };
        let element = match kind {
            Name::Type(element) => Some(element),
            Name::UntypedStorage => None,
            _ => return Err(damaged("has a storage without a type")),
        };
        // old versions of PyTorch wrote a further value: `None`, or the description of a view
        if let [view] = view
            && *view != PickleValue::Other
        {
            return Err(WeightsError::new(
                "its pickle has views of storages, as PyTorch 0.1 wrote them",
                "load it in Python and save it again",
            ));
        }
        let (Some("storage"), Some(key)) = (self.text(word), self.text(key)) else { return Err(damaged("has a storage without a key")) };
        let key = key.to_owned();
        self.count_bytes(CONTAINER_BYTES + key.len())?;
        self.storages.push(StorageInfo { element, key, count });
        self.push(PickleValue::Storage(last_index(&self.storages)))
    }
}

/// The largest length in bytes of a line with the module or the name of a Python object, with its line break.
const MAX_PYTHON_NAME: usize = 200;

/// Returns the index of the last item. There are far fewer than 2³² items, because the size of a pickle is limited.
fn last_index<T>(items: &[T]) -> u32 {
    u32::try_from(items.len() - 1).unwrap_or(u32::MAX)
}
