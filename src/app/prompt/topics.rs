//! Words of a learner that are no names here, such as `stride` or `chain rule`, and the command or the place that answers each.
//!
//! A word is found by its beginning, from [`SHORTEST`] letters on. Written in full, it is a command.

use crate::app::{Action, Document, ListKind, OverlayKind, Setting};
use crate::expr::Expr;
use crate::network::{Network, Op, Role};
use crate::step::{Address, Location, Pass};

/// The number of letters from which on the beginning of a word finds its topic.
const SHORTEST: usize = 3;
/// The largest number of ops that are offered for a word.
const MOST_OPS: usize = 3;
/// The largest number of ops that are looked at.
const EXAMINED: usize = 2000;

/// The answer to a word of the palette: an address or a command.
#[derive(Clone, Debug)]
enum Answer {
    /// A command with a key.
    Command(Action),
    /// A place.
    Location(Location),
    /// The ops for which a function returns `true`.
    Ops(fn(&Network, &Op) -> bool),
    /// The tensors that no op computes and for whose role a function returns `true`.
    Tensors(fn(Role) -> bool),
    /// A typed command, by its name.
    Words(&'static str),
    /// The rest of a command line of gradstep for a shell: [`Action::Shell`].
    Shell(&'static str),
    /// A sentence.
    Say(&'static str),
}

/// Words with the same answer.
#[derive(Debug)]
struct Topic {
    /// The words, separated by commas.
    words: &'static str,
    answer: Answer,
    /// A few words about the answer.
    says: &'static str,
}

/// A row of the list of meanings of a typed text.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// The action of a command with a key.
    Command(Action),
    /// An address.
    Address(String),
    /// A typed command, by its name.
    Words(&'static str),
    /// An action without a key, and the first word of its topic, which is its name.
    Unnamed(Action, &'static str),
}

const fn row(words: &'static str, answer: Answer, says: &'static str) -> Topic {
    Topic { words, answer, says }
}

const fn list(kind: ListKind) -> Answer {
    Answer::Command(Action::Toggle(OverlayKind::List(kind)))
}

#[rustfmt::skip]
const TOPICS: &[Topic] = &[
    row("stride,padding,dilation,window,kernel,convolution,pooling,border", Answer::Ops(slides), "the words say what stride and padding do here"),
    row("turned,flipped,rotated,mirrored,transposed,180", Answer::Ops(is_turned), "the words say why the filter is turned here"),
    row("shared,weight sharing,sharing", Answer::Ops(sums_shared), "the gradient of a weight: one term for each use of the weight"),
    row("error,delta,error vector,vector,errors", Answer::Ops(is_error), "the error δ of a layer, whole at the end of the op (f)"),
    row("error,errors", Answer::Location(Location::Backward), "the errors go back from the loss"),
    row("path,paths", Answer::Ops(has_paths), "the derivative of an input, as a sum of products along its paths"),
    row("path,paths,along the path", list(ListKind::Leaves), "the largest path: each row is a factor of it, with its share"),
    row("path,paths,chain rule,chain,rule,backprop,backpropagation", Answer::Location(Location::Backward), "the chain rule begins: each factor is one edge of a path"),
    row("gradient,gradients,derivative,derivatives,slope", Answer::Ops(is_gradient), "the derivative by a parameter or an input"),
    row("cost,objective", Answer::Location(Location::Loss), "the loss"),
    row("mean,average,minibatch,batch", Answer::Ops(is_reduced), "the batch adds up its samples"),
    row("learning rate,descent,sgd,momentum,optimizer", Answer::Ops(is_updated), "gradient descent changes the parameter"),
    row("inputs,input,pixels,image,data", Answer::Tensors(is_input), "the cursor on it where it is first read"),
    row("targets,target,label,labels,truth", Answer::Tensors(is_target), "the cursor on it where it is first read"),
    row("output,prediction,result,answer", Answer::Ops(is_read_by_loss), "the output of the network"),
    row("check,verify,correct,right,wrong,bug,finite difference,numerical gradient", Answer::Command(Action::CheckGradient), ""),
    row("sum,products,product,summands,shares,addends", list(ListKind::Terms), ""),
    row("uses,used,users,neurons,consumers,share this weight,same weight", list(ListKind::Reads), ""),
    row("weights,weight,parameters,biases,bias,filter,coefficients", Answer::Tensors(Role::is_learnable), "the cursor on it where it is first read; e edits it"),
    row("origin,source,whence,comes from,why,where,made", Answer::Command(Action::Maker), ""),
    row("blame,contributions,influence,largest,why,leaves,zero", list(ListKind::Leaves), ""),
    row("zero,entry 0,is 0,cursor,inspect,hover,value,given", Answer::Command(Action::Inspect), "a cursor on the matrices: it says why an entry is 0"),
    row("rule,why,words,text,sentence,explain", Answer::Command(Action::CycleSetting(Setting::Pane, 1)), "the pane why has the rule in words; on a small screen Tab shows it"),
    row("precision,exact,decimals,digits,rounding", list(ListKind::Digits), ""),
    row("latex,clipboard,numpy,formula", list(ListKind::Copy), ""),
    row("architecture,layers,structure,overview,shapes,network,graph,nodes", Answer::Command(Action::Toggle(OverlayKind::Map)), ""),
    row("training,curve,logarithmic,scale,learning curve,convergence,plot,epochs,loss curve", Answer::Command(Action::Toggle(OverlayKind::Curve)), ""),
    row("note,notes,explanation,story,about", Answer::Command(Action::Toggle(OverlayKind::Notes)), ""),
    row("note,my note,own note,comment,annotate,remember", Answer::Words("mark"), "a name for this step; a [[note]] in the scenario file is shown at its step"),
    row("theme,dark,light,background,colour,color,contrast", Answer::Shell("{scenario} --background light"), "the colours of a light background"),
    row("legend,colours,colors,colour,color,symbols,keys,marks,mouse,manual,docs,shortcuts,palette,commands,theme", Answer::Command(Action::Toggle(OverlayKind::Help)), ""),
    row("slide,svg,image,screenshot,png,export,print,figure,picture", Answer::Shell("show {scenario} --at {address} --format svg -o slide.svg"), "this step as a slide: copies the command line for a shell"),
    row("picture,pane,panes,draw,neurons,diagram", Answer::Command(Action::CycleSetting(Setting::Pane, 1)), ""),
    row("size,zoom,readable,last row,bigger,larger,large,font,characters,projector,fullscreen,lecture hall", Answer::Command(Action::CycleSetting(Setting::Zoom, 1)), ""),
    row("size,small,layout", Answer::Command(Action::CycleSetting(Setting::Pane, 1)), "a screen of 120x40 shows all panes; on a small one Tab changes the pane"),
    row("record,recording,lecture,same run,same run twice,demo,twice", Answer::Shell("{scenario} --record lecture.session"), "records the keys: copies the command line for a shell"),
    row("replay,same run,same run twice,lecture,twice", Answer::Shell("replay lecture.session"), "plays a recording: copies the command line for a shell"),
    row("animation,animated,movie,film,gif,video,moving picture", Answer::Shell("replay lecture.session --format svg -o lecture.svg"), "a recording as a moving picture: copies the command line for a shell"),
    row("open at,start,launch,address,addresses,link", Answer::Shell("{scenario} --at {address}"), "opens gradstep at this step: copies the command line for a shell"),
    row("ci,fail,exit status,exit code,pipeline,assert", Answer::Shell("gradcheck {scenario}"), "exit status 1 if a derivative is wrong: copies the command line for a shell"),
    row("csv,json,table,save values,all values", Answer::Shell("trace {scenario} --format csv -o steps.csv"), "all steps as a table: copies the command line for a shell"),
    row("pytorch,npz,npy,safetensors,import,load,my weights,own weights,my own weights", Answer::Say("in the scenario file: weight = { file = \"model.npz\", key = \"conv1.weight\" }"), "weights are read from .npz, .npy and .safetensors files"),
    row("my gradients,my gradient,own gradients,compare,diff,which gradient is wrong", Answer::Words("mine"), ""),
    row("exit,close,leave,bye,end", Answer::Command(Action::Quit), ""),
    row("save,store,write", Answer::Command(Action::WriteEdits), ""),
    row("change,what if,modify,nudge,grow,increase,perturb", Answer::Command(Action::EditNumber), ""),
    row("change,what if,modify,nudge,grow,increase", Answer::Words("set"), ""),
    row("back,return,previous,undo jump", Answer::Command(Action::JumpBack), ""),
    row("next,advance", Answer::Command(Action::Forward), ""),
    row("start,beginning,restart", Answer::Command(Action::First), ""),
    row("practise,practice,results,marks,grade,points,score", list(ListKind::Score), "the score of prediction, and what to practise"),
    row("practise,practice,exercise,exercises,quiz,exam,guess,hint,hide,hidden,test,train myself", Answer::Command(Action::TogglePrediction), ""),
    row("pause,animate,run,autoplay,slideshow,movie", Answer::Command(Action::TogglePlay), ""),
    row("example,examples,choose,scenario,scenarios,file,other,tutorial", Answer::Command(Action::OpenPicker), ""),
    row("find,look for", Answer::Command(Action::OpenSearch), ""),
    row("debug,stop at,condition", Answer::Command(Action::ToggleBreakpoint), ""),
    row("matrix,matrices,heatmap,table", Answer::Command(Action::CycleSetting(Setting::HeatMap, 1)), ""),
    row("sample,samples,epoch,unit,faster", Answer::Command(Action::Coarser), "k until the unit is the sample or the iteration; :2:loss is the loss of sample 2"),
];

fn slides(_: &Network, op: &Op) -> bool {
    op.window().is_some()
}

fn is_turned(_: &Network, op: &Op) -> bool {
    op.window().is_some_and(|(_, window)| window.turned)
}

fn sums_shared(network: &Network, op: &Op) -> bool {
    matches!(network.tensor(op.output).role, Role::Gradient(of) if network.tensor(of).role == Role::Parameter) && op.window().is_some()
}

fn is_error(network: &Network, op: &Op) -> bool {
    matches!(network.tensor(op.output).role, Role::Gradient(of) if network.tensor(of).symbol.own_derivative.is_some())
}

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

/// Returns whether a text is one of the words.
pub(super) fn is_topic(typed: &str) -> bool {
    let typed = typed.trim().to_lowercase();
    TOPICS.iter().any(|topic| topic.words.split(',').any(|word| word == typed))
}

/// Returns the words of a question with a blank before and after each, without other signs: ` padding part ` for `padding's part?`.
fn question_words(typed: &str) -> String {
    let words = typed.replace("'s ", " ").replace("’s ", " ");
    let is_sign = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '?' | '!' | '"');
    let words: Vec<&str> = words.split(is_sign).map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

/// Returns what the words that begin with a text may mean, with a few words about each; only the words that are equal to it if `is_whole`.
pub(super) fn find(document: &Document, typed: &str, is_whole: bool) -> Vec<(Found, &'static str)> {
    let typed = typed.trim().to_lowercase();
    // a question may contain the word: why is the filter turned
    let question = question_words(&typed);
    let is_asked = |word: &str| word.len() >= SHORTEST && typed.contains(' ') && question.contains(&format!(" {word} "));
    let singular = typed.strip_suffix('s');
    let is_begun = |word: &str| typed.len() >= SHORTEST && word.starts_with(&typed);
    let is_meant = |word: &str| word == typed || !is_whole && (is_begun(word) || is_asked(word) || Some(word) == singular);
    // a topic with the number of words of its longest phrase in the question
    let mut topics: Vec<(usize, &Topic)> = TOPICS
        .iter()
        .filter_map(|topic| {
            Some((topic.words.split(',').filter(|word| is_meant(word)).map(|word| word.matches(' ').count()).max()?, topic))
        })
        .collect();
    // a word that is written in full comes before one that only begins so, and `my gradients` before `gradients`
    topics.sort_by_key(|(length, topic)| (topic.words.split(',').all(|word| word != typed), std::cmp::Reverse(*length)));
    let mut found = Vec::new();
    for (_, Topic { words, answer, says }) in topics {
        let name = || words.split(',').next().unwrap_or(words);
        match answer {
            Answer::Command(action) => found.push((Found::Command(action.clone()), *says)),
            Answer::Words(name) => found.push((Found::Words(name), *says)),
            Answer::Shell(arguments) => found.push((Found::Unnamed(Action::Shell(arguments), name()), *says)),
            Answer::Say(sentence) => found.push((Found::Unnamed(Action::Say(sentence), name()), *says)),
            Answer::Tensors(is_wanted) => {
                found.extend(tensors(document, *is_wanted).into_iter().map(|address| (Found::Address(address), *says)));
            }
            Answer::Location(place) => {
                let address = Address::from(place.clone());
                found.extend(document.trace.resolve(&address).ok().map(|_| (Found::Address(address.to_string()), *says)));
            }
            Answer::Ops(is_wanted) => {
                found.extend(ops(document, is_wanted).into_iter().map(|address| (Found::Address(address), *says)));
            }
        }
    }
    // a function of the scenario by its name, such as softmax
    let computes = |_: &Network, op: &Op| {
        let function = op.parts.first().map(|part| part.rule.equation().right);
        matches!(function, Some(Expr::Of(function, _)) if is_meant(function.name))
    };
    found.extend(ops(document, computes).into_iter().map(|address| (Found::Address(address), "the function is computed")));
    found
}

/// Returns the addresses of the first ops for which a function returns `true`: those of the first sample, then those of the batch.
fn ops(document: &Document, is_wanted: impl Fn(&Network, &Op) -> bool) -> Vec<String> {
    let trace = &document.trace;
    let runs = [0, trace.sample_runs().len() - 1];
    let runs = &runs[..if trace.samples() < trace.sample_runs().len() { 2 } else { 1 }];
    let all = runs.iter().flat_map(|run| {
        let network = trace.network_of(*run);
        network.ops().iter().take(EXAMINED).map(move |op| (*run, network, op))
    });
    let wanted = all.filter(|(_, network, op)| is_wanted(network, op));
    let address = |(run, _, op): (usize, &Network, &Op)| {
        let steps = trace.entry_steps(run, op.output, 0)?;
        let Location::Op { scope, name, .. } = trace.address(&trace.position(steps.start)?).location else { return None };
        Some(Address::from(Location::Op { scope, name, index: None, term: None }).to_string())
    };
    wanted.filter_map(address).take(MOST_OPS).collect()
}

/// Returns the addresses, in the first sample, of the first tensors that no op of the sample computes and for whose role a function returns `true`.
fn tensors(document: &Document, is_wanted: fn(Role) -> bool) -> Vec<String> {
    let trace = &document.trace;
    let first = trace.position(1).map(|first| trace.address(&first).location);
    let Some(Location::Op { scope, .. }) = first else { return Vec::new() };
    let network = trace.network();
    let given = network.tensors().iter().enumerate().filter(|(id, tensor)| network.producer(*id).is_none() && is_wanted(tensor.role));
    let place = |name: String| Location::Op { scope, name, index: None, term: None };
    given.map(|(_, tensor)| Address::from(place(tensor.name.to_string())).to_string()).take(MOST_OPS).collect()
}
