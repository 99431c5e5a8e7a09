//! Topics: words that a learner may type in the palette, such as `stride` or `chain rule`. For each topic, the palette offers commands, ops or places.
//!
//! The first [`MIN_PREFIX`] letters of a word are enough to find it. If a word is typed in full, Enter runs it like a command.

use crate::app::{Action, Document, ListKind, OverlayKind, Setting};
use crate::expr::Expr;
use crate::network::{Network, Op, Role};
use crate::step::{Address, Location, Pass};
use crate::weights::tensor_files;

/// The smallest number of typed letters that find a word.
const MIN_PREFIX: usize = 3;
/// The largest number of ops that the palette offers for a word.
const MAX_OPS: usize = 3;
/// The largest number of ops that are searched.
const MAX_EXAMINED_OPS: usize = 2000;

/// An answer that the palette offers for a topic.
#[derive(Clone, Debug)]
enum TopicAnswer {
    /// A command with a key.
    Command(Action),
    /// A place.
    Location(Location),
    /// The ops for which a function returns `true`.
    Ops(fn(&Network, &Op) -> bool),
    /// The tensors that no op computes and for whose role a function returns `true`.
    Tensors(fn(Role) -> bool),
    /// A typed command, by its name.
    TypedCommand(&'static str),
    /// The arguments of a shell command: [`Action::CopyCommandLine`].
    CommandLine(&'static str),
    /// A message.
    Say(&'static str),
}

/// Words with the same answer.
#[derive(Debug)]
struct Topic {
    /// The words, separated by commas.
    words: &'static str,
    answer: TopicAnswer,
    /// A short description of the answer; empty for the command's own description.
    description: &'static str,
}

/// An answer that was found for a typed text.
#[derive(Clone, Debug)]
pub(super) enum TopicMatch {
    /// The action of a command with a key.
    Command(Action),
    /// An address.
    Address(String),
    /// A typed command, by its name.
    TypedCommand(&'static str),
    /// An action without a key, and its name in the list: the first word of the topic.
    KeylessAction(Action, &'static str),
}

const fn row(words: &'static str, answer: TopicAnswer, description: &'static str) -> Topic {
    Topic { words, answer, description }
}

const fn list(kind: ListKind) -> TopicAnswer {
    TopicAnswer::Command(Action::ToggleOverlay(OverlayKind::List(kind)))
}

#[rustfmt::skip]
const TOPICS: &[Topic] = &[
    row("stride,padding,dilation,window,kernel,convolution,pooling,border", TopicAnswer::Ops(has_window), "the pane why explains stride and padding here"),
    row("turned,flipped,rotated,mirrored,transposed,180", TopicAnswer::Ops(is_turned), "the pane why explains why the filter is turned here"),
    row("shared,weight sharing,sharing", TopicAnswer::Ops(is_gradient_of_shared_weight), "the gradient of a weight: one term for each use of the weight"),
    row("error,delta,error vector,vector,errors", TopicAnswer::Ops(is_error), "the error δ of a layer; f goes to the last step of the op, after which all of δ is computed"),
    row("error,errors", TopicAnswer::Location(Location::Backward), "the errors go back from the loss"),
    row("path,paths", TopicAnswer::Ops(has_paths), "the derivative by an input, as a sum of products along its paths"),
    row("path,paths,along the path", list(ListKind::Contributions), "the largest path: a row for each of its factors, with its share"),
    row("path,paths,chain rule,chain,rule,backprop,backpropagation", TopicAnswer::Location(Location::Backward), "the backward pass begins here: each local derivative is one edge of a path"),
    row("gradient,gradients,derivative,derivatives,slope", TopicAnswer::Ops(is_gradient), "the derivative by a parameter or an input"),
    row("cost,objective", TopicAnswer::Location(Location::Loss), "the loss"),
    row("mean,average,minibatch,batch", TopicAnswer::Ops(is_reduced), "the batch adds up the gradients of its samples"),
    row("learning rate,descent,sgd,momentum,optimizer", TopicAnswer::Ops(is_updated), "gradient descent changes the parameter"),
    row("inputs,input,pixels,image,data", TopicAnswer::Tensors(is_input), "puts the cursor on it, at the first step that reads it"),
    row("targets,target,label,labels,truth", TopicAnswer::Tensors(is_target), "puts the cursor on it, at the first step that reads it"),
    row("output,prediction,result,answer", TopicAnswer::Ops(is_read_by_loss), "the output of the network"),
    row("check,verify,correct,right,wrong,bug,finite difference,numerical gradient", TopicAnswer::Command(Action::CheckGradient), ""),
    row("sum,products,product,summands,shares,addends", list(ListKind::Terms), ""),
    row("uses,used,users,neurons,consumers,share this weight,same weight", list(ListKind::Reads), ""),
    row("weights,weight,parameters,biases,bias,filter,coefficients", TopicAnswer::Tensors(Role::is_learnable), "puts the cursor on it, at the first step that reads it; e edits it"),
    row("origin,source,whence,comes from,why,where,made,computed,calculated", TopicAnswer::Command(Action::GoToProducer), ""),
    row("blame,influence,largest,why,leaves,zero", list(ListKind::Contributions), ""),
    row("zero,entry 0,is 0,cursor,inspect,hover,value,given", TopicAnswer::Command(Action::Inspect), "a cursor on the matrices: shows why an entry is 0"),
    row("rule,why,words,text,sentence,explain", TopicAnswer::Command(Action::CycleSetting(Setting::Pane, 1)), "the pane why has the rule in words; on a small screen Tab shows it"),
    row("precision,exact,decimals,digits,rounding", list(ListKind::Digits), ""),
    row("latex,clipboard,numpy,formula", list(ListKind::Copy), ""),
    row("architecture,layers,structure,overview,shapes,network,graph,nodes", TopicAnswer::Command(Action::ToggleOverlay(OverlayKind::Map)), ""),
    row("training,curve,logarithmic,scale,learning curve,convergence,plot,epochs,loss curve", TopicAnswer::Command(Action::ToggleOverlay(OverlayKind::Curve)), ""),
    row("tolerance,early stopping,stops early,end early,ends early,rtol,atol,precision", TopicAnswer::Say("[train] tolerance = 1e-6 ends gradient descent when the loss changes by less; diff takes --rtol and --atol"), "the smallest change of the loss; or the largest difference that counts as equal"),
    row("note,notes,explanation,story,about", TopicAnswer::Command(Action::ToggleOverlay(OverlayKind::Notes)), ""),
    row("note,my note,own note,comment,annotate,remember", TopicAnswer::TypedCommand("mark"), "a name for this step; a [[note]] in the scenario file is shown at its step"),
    row("theme,dark,light,background,colour,color,contrast", TopicAnswer::CommandLine("{scenario} --background light"), "the colours of a light background"),
    row("legend,colours,colors,colour,color,yellow,blue,grey,symbols,keys,marks,mouse,manual,docs,shortcuts,palette,commands,theme", TopicAnswer::Command(Action::ToggleOverlay(OverlayKind::Help)), ""),
    row("slide,svg,image,screenshot,png,export,print,figure,picture", TopicAnswer::CommandLine("show {scenario} --at {address}{options}{keys} --format svg -o slide.svg"), "this step as a slide: copies the command line for a shell"),
    row("picture,pane,panes,draw,neurons,diagram", TopicAnswer::Command(Action::CycleSetting(Setting::Pane, 1)), ""),
    row("size,zoom,readable,last row,bigger,larger,large,font,characters,projector,fullscreen,lecture hall", TopicAnswer::Command(Action::CycleSetting(Setting::Zoom, 1)), ""),
    row("size,small,layout", TopicAnswer::Command(Action::CycleSetting(Setting::Pane, 1)), "a screen of 120x40 shows all panes; on a small one Tab changes the pane"),
    row("record,recording,lecture,same run,same run twice,demo,twice", TopicAnswer::CommandLine("{scenario} --record lecture.session"), "records the keys: copies the command line for a shell"),
    row("replay,same run,same run twice,lecture,twice", TopicAnswer::CommandLine("replay lecture.session"), "plays a recording: copies the command line for a shell"),
    row("animation,animated,movie,film,gif,video,moving picture", TopicAnswer::CommandLine("replay lecture.session --format svg -o lecture.svg"), "a recording as a moving picture: copies the command line for a shell"),
    row("open at,start,launch,address,addresses,link", TopicAnswer::CommandLine("{scenario} --at {address}{options}"), "opens gradstep at this step: copies the command line for a shell"),
    row("ci,fail,exit status,exit code,pipeline,assert", TopicAnswer::CommandLine("gradcheck {scenario}"), "exit status 1 if a derivative is wrong: copies the command line for a shell"),
    row("csv,json,table,save values,all values", TopicAnswer::CommandLine("trace {scenario} --format csv -o steps.csv"), "all steps as a table: copies the command line for a shell"),
    row("pytorch,npz,npy,safetensors,import,load,my weights,own weights,my own weights", TopicAnswer::Say("in the scenario file: weight = { file = \"model.npz\", key = \"conv1.weight\" }"), concat!("weights are read from files: ", tensor_files!())),
    row("my gradients,my gradient,own gradients,compare,diff,which gradient is wrong", TopicAnswer::TypedCommand("mine"), ""),
    row("exit,close,leave,bye,end", TopicAnswer::Command(Action::Quit), ""),
    row("save,store,write", TopicAnswer::Command(Action::WriteEdits), ""),
    row("change,what if,modify,nudge,grow,increase,perturb", TopicAnswer::Command(Action::EditNumber(None)), ""),
    row("change,what if,modify,nudge,grow,increase", TopicAnswer::TypedCommand("set"), ""),
    row("back,return,previous,undo jump", TopicAnswer::Command(Action::JumpBack), ""),
    row("next,advance", TopicAnswer::Command(Action::Forward), ""),
    row("start,beginning,restart", TopicAnswer::Command(Action::First), ""),
    row("practise,practice,results,marks,grade,points,score", list(ListKind::Score), "the score of prediction, and what to practise"),
    row("practise,practice,exercise,exercises,quiz,exam,guess,hint,hide,hidden,test,train myself", TopicAnswer::Command(Action::TogglePrediction), ""),
    row("pause,animate,run,autoplay,slideshow,movie", TopicAnswer::Command(Action::TogglePlay), ""),
    row("example,examples,choose,scenario,scenarios,file,other,tutorial", TopicAnswer::Command(Action::OpenPicker), ""),
    row("find,look for", TopicAnswer::Command(Action::OpenSearch), ""),
    row("debug,stop at,condition", TopicAnswer::Command(Action::ToggleBreakpoint), ""),
    row("matrix,matrices,heatmap,table", TopicAnswer::Command(Action::CycleSetting(Setting::HeatMap, 1)), ""),
    row("sample,samples,epoch,unit,faster", TopicAnswer::Command(Action::Coarser), "press k until the unit is the sample or the iteration; :2:loss goes to the loss of sample 2"),
];

fn has_window(_: &Network, op: &Op) -> bool {
    op.window().is_some()
}

fn is_turned(_: &Network, op: &Op) -> bool {
    op.window().is_some_and(|(_, window)| window.turned)
}

fn is_gradient_of_shared_weight(network: &Network, op: &Op) -> bool {
    matches!(network.tensor(op.output).role, Role::Gradient(of) if network.tensor(of).role == Role::Parameter) && op.window().is_some()
}

/// Returns whether an op computes an error, which has a symbol of its own: δ.
fn is_error(network: &Network, op: &Op) -> bool {
    matches!(network.tensor(op.output).role, Role::Gradient(of) if network.tensor(of).symbol.own_derivative.is_some())
}

/// Returns whether an op of a graph computes the derivative by an input. (A network of layers reads samples, a graph does not.)
fn has_paths(network: &Network, op: &Op) -> bool {
    !network.reads_samples() && matches!(network.tensor(op.output).role, Role::Gradient(of) if is_input(network.tensor(of).role))
}

fn is_gradient(network: &Network, op: &Op) -> bool {
    matches!(network.tensor(op.output).role, Role::Gradient(of) if network.tensor(of).role.is_learnable() || is_input(network.tensor(of).role))
}

fn is_input(role: Role) -> bool {
    matches!(role, Role::Input { .. })
}

fn is_target(role: Role) -> bool {
    role == Role::Target
}

fn is_read_by_loss(network: &Network, op: &Op) -> bool {
    let loss = network.producer(network.loss()).map(|loss| &network.ops()[loss]);
    op.pass == Pass::Forward && loss.is_some_and(|loss| loss.parts.iter().any(|part| part.operands.contains(&op.output)))
}

fn is_reduced(network: &Network, op: &Op) -> bool {
    op.pass == Pass::Reduce && op.output != network.loss()
}

fn is_updated(_: &Network, op: &Op) -> bool {
    op.pass == Pass::Update
}

/// Returns whether a text is a word of a topic.
pub(super) fn is_topic(typed: &str) -> bool {
    let typed = typed.trim().to_lowercase();
    TOPICS.iter().any(|topic| topic.words.split(',').any(|word| word == typed))
}

/// Returns the words of a typed question without punctuation: `padding`, `part` for `padding's part?`. The verb of `what does stride mean?` is left out,
/// because it is not the mean of numbers.
fn question_words(typed: &str) -> Vec<String> {
    let words = typed.to_lowercase().replace("'s ", " ").replace("’s ", " ");
    let is_sign = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '?' | '!' | '"');
    let mut words: Vec<&str> = words.split(is_sign).map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty()).collect();
    if words.last() == Some(&"mean") && words.iter().any(|word| matches!(*word, "do" | "does")) {
        words.pop();
    }
    words.into_iter().map(str::to_owned).collect()
}

/// Returns a word without the s of the plural. (The word may be no plural, so the result is only compared with other results.)
fn stem(word: &str) -> &str {
    if word.len() > MIN_PREFIX && !word.ends_with("ss") { word.strip_suffix('s').unwrap_or(word) } else { word }
}

/// Returns words as a text in which phrases can be searched: their stems between single blanks, ` what are stride `.
fn searchable<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.fold(" ".to_owned(), |text, word| text + stem(word) + " ")
}

/// Returns a topic's word that a question contains; `None` if the text is no question or has no such word.
pub(super) fn topic_in_question(typed: &str) -> Option<&'static str> {
    let words = question_words(typed);
    let stems = searchable(words.iter().map(String::as_str));
    TOPICS.iter().flat_map(|topic| topic.words.split(',')).find(|word| is_in_question(&stems, word)).filter(|_| words.len() > 1)
}

/// Returns whether a question has a topic's word, in the singular or the plural. `stems` is the question as [`searchable`] returns it.
fn is_in_question(stems: &str, word: &str) -> bool {
    word.len() >= MIN_PREFIX && stems.contains(&searchable(word.split(' ')))
}

/// The words of questions that say nothing about their subject.
const WORDS_OF_QUESTIONS: &str =
    "what which where when does this that these those the how why with from have has use into are can there here will was not and for its";

/// Returns whether a question has a word of a command's name, such as `breakpoint` in `what is a breakpoint`.
pub(super) fn has_word_of(typed: &str, command: &str) -> bool {
    let subjects = question_words(typed)
        .into_iter()
        .filter(|word| word.len() >= MIN_PREFIX && WORDS_OF_QUESTIONS.split(' ').all(|other| other != word));
    subjects.into_iter().any(|word| command.split(' ').any(|of_command| stem(of_command) == stem(&word)))
}

/// Returns the answers to a typed text, each with its description. They belong to the topics with a word that begins with the text, or that the text contains.
/// With `is_exact`, they belong only to the topics with exactly this word.
pub(super) fn find(document: &Document, typed: &str, is_exact: bool) -> Vec<(TopicMatch, &'static str)> {
    let typed = typed.trim().to_lowercase();
    // the text may be a question that contains the word: `why is the filter turned`
    let words = question_words(&typed);
    let question = format!(" {} ", words.join(" "));
    let is_asked = |word: &str| word.len() >= MIN_PREFIX && typed.contains(' ') && question.contains(&format!(" {word} "));
    let singular = typed.strip_suffix('s');
    let is_prefix = |word: &str| typed.len() >= MIN_PREFIX && word.starts_with(&typed);
    let is_meant = |word: &str| word == typed || !is_exact && (is_prefix(word) || is_asked(word) || Some(word) == singular);
    // the topics, each with the number of blanks in its longest matching phrase
    let with_word = |is_meant: &dyn Fn(&str) -> bool| -> Vec<(usize, &Topic)> {
        let blanks = |topic: &Topic| topic.words.split(',').filter(|word| is_meant(word)).map(|word| word.matches(' ').count()).max();
        TOPICS.iter().filter_map(|topic| Some((blanks(topic)?, topic))).collect()
    };
    let mut topics = with_word(&is_meant);
    if topics.is_empty() && !is_exact && typed.contains(' ') {
        // the question may have the word in the plural: `what are strides`
        let stems = searchable(words.iter().map(String::as_str));
        topics = with_word(&|word| is_in_question(&stems, word));
    }
    // topics with exactly the typed word come first, then those with longer phrases: `my gradients` before `gradients`
    topics.sort_by_key(|(blanks, topic)| (topic.words.split(',').all(|word| word != typed), std::cmp::Reverse(*blanks)));
    let mut found = Vec::new();
    for (_, Topic { words, answer, description }) in topics {
        let first_word = || words.split(',').next().unwrap_or(words);
        match answer {
            TopicAnswer::Command(action) => found.push((TopicMatch::Command(action.clone()), *description)),
            TopicAnswer::TypedCommand(name) => found.push((TopicMatch::TypedCommand(name), *description)),
            TopicAnswer::CommandLine(arguments) => {
                found.push((TopicMatch::KeylessAction(Action::CopyCommandLine(arguments), first_word()), *description));
            }
            TopicAnswer::Say(sentence) => found.push((TopicMatch::KeylessAction(Action::Say(sentence), first_word()), *description)),
            TopicAnswer::Tensors(is_wanted) => {
                found.extend(tensors(document, *is_wanted).into_iter().map(|address| (TopicMatch::Address(address), *description)));
            }
            TopicAnswer::Location(place) => {
                let address = Address::from(place.clone());
                found.extend(document.trace.resolve(&address).ok().map(|_| (TopicMatch::Address(address.to_string()), *description)));
            }
            TopicAnswer::Ops(is_wanted) => {
                found.extend(ops(document, is_wanted).into_iter().map(|address| (TopicMatch::Address(address), *description)));
            }
        }
    }
    // the text may be the name of a function in the scenario, such as softmax
    let computes = |_: &Network, op: &Op| {
        let function = op.parts.first().map(|part| part.rule.equation().right);
        matches!(function, Some(Expr::Of(function, _)) if is_meant(function.name))
    };
    found.extend(ops(document, computes).into_iter().map(|address| (TopicMatch::Address(address), "the function is computed")));
    found
}

/// Returns the addresses of the first ops for which `is_wanted` returns `true`. The ops of the first sample come first, then those of the batch.
fn ops(document: &Document, is_wanted: impl Fn(&Network, &Op) -> bool) -> Vec<String> {
    let trace = &document.trace;
    // the runs of the first sample and of the batch, if there is one
    let runs = [0, trace.runs().len() - 1];
    let runs = &runs[..if trace.samples() < trace.runs().len() { 2 } else { 1 }];
    let all = runs.iter().flat_map(|run| {
        let network = trace.network_of(*run);
        network.ops().iter().take(MAX_EXAMINED_OPS).map(move |op| (*run, network, op))
    });
    let wanted = all.filter(|(_, network, op)| is_wanted(network, op));
    let address = |(run, _, op): (usize, &Network, &Op)| {
        let steps = trace.entry_steps(run, op.output, 0)?;
        let Location::Op { scope, name, .. } = trace.address(&trace.position(steps.start)?).location else { return None };
        Some(Address::from(Location::Op { scope, name, index: None, term: None }).to_string())
    };
    wanted.filter_map(address).take(MAX_OPS).collect()
}

/// Returns the addresses of tensors of the first sample that no step computes, and for whose role `is_wanted` returns `true`.
fn tensors(document: &Document, is_wanted: fn(Role) -> bool) -> Vec<String> {
    let trace = &document.trace;
    // the address of step 1 has the scope of the first sample
    let first = trace.position(1).map(|first| trace.address(&first).location);
    let Some(Location::Op { scope, .. }) = first else { return Vec::new() };
    let network = trace.network();
    let given = network.tensors().iter().enumerate().filter(|(id, tensor)| network.producer(*id).is_none() && is_wanted(tensor.role));
    let place = |name: String| Location::Op { scope, name, index: None, term: None };
    given.map(|(_, tensor)| Address::from(place(tensor.name.to_string())).to_string()).take(MAX_OPS).collect()
}
