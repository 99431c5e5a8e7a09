//! The table of mistakes.

use super::hints;
use super::mistake::{Mistake, Specificity};
use super::planting::Planter::{AtSite, Both, InPass};
use super::plants::{
    activation, attention, bias, clip, convolution, flatten, graph, graph_norm, linear, norm, norm_formula, other_sample, output, paths,
    penalty, pool, product, samples, scale, softmax,
};
use crate::step::Kind;

/// The known mistakes. For predicted numbers the likeliest come first; a mistake that always gives the same numbers as an earlier one is left out. For a whole
/// pass, of several mistakes with the same numbers and the same specificity, the one with the earlier row is named first.
#[rustfmt::skip]
pub static MISTAKES: &[Mistake] = &[
    Mistake::hint("sign-flipped", "only the sign is wrong", "", |q| hints::without_subject(Some(-q.answer)))
        .and_pass("the sign is wrong", "", InPass(scale::sign_flipped)).with_specificity(Specificity::Factor),

    // normalisations
    Mistake::pass("norm-mean-path-missing", "the path through the mean is missing at {}", "each entry changes the mean, and with it all others", Both(graph_norm::mean_missing, norm::mean_missing)),
    Mistake::pass("norm-variance-path-missing", "the path through the variance is missing at {}", "each entry changes the variance, and with it all others", Both(graph_norm::variance_missing, norm::variance_missing)),
    Mistake::pass("norm-n-for-n-minus-1", "the [variance|variances] of {} [is|are] divided by n − 1", "it is divided by n", Both(graph_norm::unbiased, norm::unbiased)),

    Mistake::pass("norm-weight-missing", "the weight of {} is missing in the gradient of the normalised numbers", "it is ∂C/∂y times the weight", AtSite(product::norm_weight_missing)),
    Mistake::pass("norm-weight-gradient-wrong", "the weight gradient of {} does not read the normalised numbers", "it is the sum of ∂C/∂y times the normalised numbers", AtSite(product::norm_weight_gradient)),
    Mistake::pass("norm-sigma-wrong", "the factor 1/σ is wrong in the input [gradient|gradients] of {}", "the whole input gradient of a norm has this factor once", InPass(norm_formula::sigma_missing)),
    Mistake::pass("norm-sums-along-wrong-axis", "the means in the input [gradient|gradients] of {} are along the wrong axis", "they are over the entries that are normalised together", InPass(norm_formula::along_wrong_axis)),
    Mistake::pass("norm-sums-not-divided", "the sums in the input [gradient|gradients] of {} are not divided by n", "they are means over the n entries that are normalised together", InPass(norm_formula::not_divided)),

    // activations and the output
    Mistake::hint("activation-derivative-missing", "the activation's derivative {} is missing", "", |q| hints::without_factors(q, hints::is_derivative))
        .and_pass("the derivative of the activation is missing at {}", "∂C/∂z is ∂C/∂a times g′(z)", AtSite(activation::missing)),
    Mistake::pass("output-activation-derivative-missing", "the derivative of the output's activation is missing at {}", "∂C/∂z is ∂C/∂a times g′(z)", AtSite(output::activation_missing)),
    Mistake::pass("softmax-derivative-twice", "the error a − t of softmax and cross-entropy goes through the derivative of the softmax again", "a − t is ∂C/∂z already", AtSite(output::softmax_twice)),
    Mistake::pass("softmax-before-cross-entropy", "the logits go through a softmax before the cross-entropy", "the cross-entropy reads the logits themselves: it applies the softmax", AtSite(output::softmax_before_cross_entropy)),
    Mistake::pass("softmax-diagonal-only", "of the softmax's derivative at {} only the diagonal aᵢ (1 − aᵢ) is taken", "every zᵢ changes every aⱼ: the other derivatives are −aᵢ aⱼ", AtSite(output::softmax_diagonal)),
    Mistake::pass("softmax-row-sum-missing", "the sum over the row is not subtracted in the softmax's derivative at {}: aᵢ ∂C/∂aᵢ alone is taken", "∂C/∂zᵢ is aᵢ (∂C/∂aᵢ − Σ aⱼ ∂C/∂aⱼ)", AtSite(output::softmax_row_sum_missing)),
    Mistake::pass("softmax-sum-of-columns", "the sum in the softmax's derivative at {} goes along the wrong axis", "∂C/∂zᵢ is aᵢ (∂C/∂aᵢ − Σ aⱼ ∂C/∂aⱼ), with the sum over the entries that the softmax normalises", AtSite(softmax::sum_of_columns)),
    Mistake::pass("softmax-sum-wrong", "the sum in the softmax's derivative at {} is wrong", "∂C/∂zᵢ is aᵢ (∂C/∂aᵢ − Σ aⱼ ∂C/∂aⱼ), with the sum over the entries that the softmax normalises", AtSite(softmax::sum_wrong)),
    Mistake::pass("softmax-along-wrong-axis", "the softmax at {} normalises the entries along another axis", "", AtSite(softmax::along_wrong_axis)),
    Mistake::pass("target-not-subtracted", "the target is not subtracted in the error of the cross-entropy", "the error is p − t: 1 is subtracted at the right class", AtSite(output::target_missing)),
    Mistake::pass("sigmoid-derivative-on-top-of-cross-entropy", "the error a − t of the cross-entropy is multiplied by a (1 − a) again", "a − t is ∂C/∂z already", AtSite(output::sigmoid_again)),
    Mistake::pass("wrong-target", "the target is another one", "", InPass(output::wrong_target)).with_fixed_numbers(),

    Mistake::hint("learning-rate-missing", "the learning rate {} is missing", "", hints::learning_rate_missing),
    Mistake::hint("constant-missing", "the constant factor {} is missing", "", hints::constant_missing),
    Mistake::hint("factor-missing", "the factor {} is missing", "", |q| hints::without_factors(q, |factor| factor.source.is_some() && !hints::is_derivative(factor))),

    // convolutions
    Mistake::hint("kernel-not-flipped", "the filter was not turned", "here it is turned by 180°", |q| hints::turned_filter(q, true))
        .and_pass("the [filter|filters] of {} [is|are] not turned by 180° in the [gradient of its input|gradients of their inputs]", "the error goes back through the filter turned by 180° once; a true convolution, such as SciPy's convolve2d, turns it already", AtSite(convolution::not_flipped)),
    Mistake::hint("kernel-flipped", "the filter was turned", "here it is not turned", |q| hints::turned_filter(q, false))
        .and_pass("the [filter|filters] of {} [is|are] turned by 180° in the [gradient of its input|gradients of their inputs]", "a transposed convolution turns its filter in the forward pass, and not in the backward pass", AtSite(convolution::flipped)),
    Mistake::hint("kernel-transposed-instead-of-rotated", "the filter was transposed", "its rows and columns are not exchanged", hints::transposed_filter)
        .and_pass("the [filter|filters] of {} [is|are] transposed in the [gradient of its input|gradients of their inputs]", "it is turned by 180°: its rows and its columns are reversed, not exchanged", AtSite(convolution::transposed)),
    Mistake::hint("weight-transpose-missing", "row and column of {} were exchanged", "", hints::transposed_factor)
        .and_pass("the error goes back through W of {} instead of Wᵀ", "∂C/∂x is Wᵀ ∂C/∂z", AtSite(linear::transpose_missing)),
    Mistake::hint("outer-product-transposed", "that is {}, with row and column exchanged", "", hints::transposed_entry)
        .and_pass("the weight [gradient|gradients] of {} [is|are] the outer product x ∂C/∂zᵀ", "it is ∂C/∂z xᵀ: one row for each output", AtSite(linear::outer_product_transposed)).apart("a weight that is not square"),
    Mistake::hint("error-turned", "the error was turned", "here nothing is turned", hints::turned_error),
    Mistake::hint("weight-gradient-rotated", "that is {}, at the place turned by 180°", "the gradient of a filter is not turned", hints::rotated_entry)
        .and_pass("the [gradient of {}'s filter has its|gradients of {}'s filters have their] entries in the wrong order", "it has the order of the filter", AtSite(convolution::weight_gradient_rotated)),
    Mistake::pass("stride-ignored-in-input-gradient", "the input [gradient of {} moves its|gradients of {} move their] windows by 1 instead of the stride", "window o begins at o · stride, as in the forward pass", AtSite(convolution::stride_ignored_in_input)),
    Mistake::pass("stride-ignored-in-weight-gradient", "the weight [gradient of {} moves its|gradients of {} move their] windows by 1 instead of the stride", "window o begins at o · stride, as in the forward pass", AtSite(convolution::stride_ignored_in_weight)),
    Mistake::pass("dilation-ignored-in-input-gradient", "the input [gradient of {} lays the filter down without its|gradients of {} lay the filters down without their] dilation", "weight k is at the distance k · dilation, as in the forward pass", AtSite(convolution::dilation_ignored_in_input)),
    Mistake::pass("dilation-ignored-in-weight-gradient", "the weight [gradient of {} reads|gradients of {} read] the input without the dilation", "weight k is at the distance k · dilation, as in the forward pass", AtSite(convolution::dilation_ignored_in_weight)),
    Mistake::pass("padding-not-cropped", "the padding of {} is not taken into account", "it is cut off the input gradient on all sides, and the weight gradient reads its zeros", AtSite(convolution::padding_not_cropped)),
    Mistake::pass("padding-cropped-elsewhere", "the input [gradient|gradients] of {} [is|are] cut out of the padded one at a wrong place", "as many rows and columns as the padding has are cut off on each side", AtSite(convolution::cropped_elsewhere)),
    Mistake::pass("only-last-filter-in-input-gradient", "in the input [gradient|gradients] of {} not all filters count", "the errors of all filters are added up", AtSite(convolution::only_last_filter)).apart("windows that overlap, and several filters"),
    Mistake::pass("last-windows-missing", "the last windows of {} are left out", "the loops go over all rows and columns of the output", AtSite(convolution::last_windows_missing)),
    Mistake::pass("overwrite-instead-of-accumulate", "the backward [pass of {} overwrites its|passes of {} overwrite their] sums", "the products of all windows are added up", AtSite(convolution::overwritten)).apart("windows that overlap, and several filters"),
    Mistake::pass("kernel-channels-swapped", "the [filter of {} is read with its|filters of {} are read with their] input and output channels exchanged in the [gradient of its input|gradients of their inputs]", "its first axis is the output channel", AtSite(convolution::channels_swapped)),
    Mistake::pass("weight-gradient-channels-swapped", "the [gradient of {}'s filter has its|gradients of {}'s filters have their] input and output channels exchanged", "its first axis is the output channel", AtSite(convolution::weight_channels_swapped)),
    Mistake::pass("input-channels-reversed", "the channels that {} [reads|read] are in reverse order", "", Both(convolution::input_channels_reversed, flatten::input_channels_reversed)).with_fixed_numbers(),
    Mistake::pass("groups-ignored", "the groups of {} are ignored", "each group has its own input channels", AtSite(convolution::groups_ignored)),

    // biases, pools, order of entries
    Mistake::pass("bias-gradient-divided-by-positions", "the bias [gradient of {} is the mean|gradients of {} are means] over the positions", "the errors of all positions are added up", AtSite(bias::divided)),
    Mistake::pass("bias-gradient-first-position-only", "the bias [gradient of {} is the error|gradients of {} are the errors] of the first position alone", "the errors of all positions are added up", AtSite(bias::first_only)),
    Mistake::pass("bias-gradient-last-position-only", "the bias [gradient of {} is the error|gradients of {} are the errors] of the last position alone", "the errors of all positions are added up", AtSite(bias::last_only)),
    Mistake::pass("bias-in-every-product", "the [bias of {} is|biases of {} are] added to every product of the sum", "it is added once, after the sum", AtSite(linear::bias_in_every_product)).apart("a filter of another size"),
    Mistake::pass("max-pool-gradient-to-all-ties", "the whole error of {}'s windows goes to each of several equal maxima", "it goes to the first one alone", AtSite(pool::to_all_ties)),
    Mistake::pass("max-pool-gradient-split-over-ties", "the error of {}'s windows is split among equal maxima", "it goes to the first one alone", AtSite(pool::split_over_ties)),
    Mistake::pass("max-pool-gradient-to-last-tie", "the error of {}'s windows goes to the last of several equal maxima", "it goes to the first one", AtSite(pool::to_last_tie)),
    Mistake::pass("max-pool-mean-of-window", "the error of {}'s windows is shared out as in an average pool", "it goes to the maximum alone", AtSite(pool::mean_of_window)).apart("windows of another size"),
    Mistake::pass("max-pool-gradient-to-whole-window", "the whole error of {}'s windows goes to each of their places", "it goes to the maximum alone", AtSite(pool::to_whole_window)),
    Mistake::pass("pool-overwrites-overlapping-windows", "where windows of {} overlap, the last one overwrites the error of the others", "their errors are added up", AtSite(pool::overwritten)).apart("several windows that overlap"),
    Mistake::pass("average-pool-divisor-missing", "the error of {}'s windows is not divided by the number of their places", "each place gets 1/n of it", AtSite(pool::divisor_missing)),
    Mistake::pass("count-include-pad-wrong", "padding is counted the wrong way in the means of {}", "", AtSite(pool::count_include_pad)),
    Mistake::pass("flatten-column-major", "{} [takes|take] the entries in column-major order", "the last index runs fastest", AtSite(flatten::column_major)).apart("an image with more channels, rows and columns"),
    Mistake::pass("unflatten-column-major", "the error goes back through {} in column-major order", "it goes back in the order in which the entries came", AtSite(flatten::back_column_major)).apart("an image with more channels, rows and columns"),
    Mistake::pass("flatten-channels-last", "{} [takes|take] the entries with the channels last", "the channels come first: C x H x W", AtSite(flatten::channels_last)).apart("an image with more channels, rows and columns"),
    Mistake::pass("unflatten-channels-last", "the error goes back through {} as if the channels were last", "it goes back in the order in which the entries came", AtSite(flatten::back_channels_last)).apart("an image with more channels, rows and columns"),
    Mistake::pass("weight-layout-transposed", "the [gradient of {}'s weight is its transpose|gradients of {}'s weights are their transposes]", "it has the order of the weight: entry [i, j] is the derivative with respect to entry [i, j]", InPass(flatten::layout_transposed)).apart("a weight that is not square"),

    // what a gradient reads
    Mistake::pass("z-instead-of-a", "the weight [gradient of {} reads|gradients of {} read] z of the layer before instead of a", "it reads what the layer has read: a", AtSite(linear::z_instead_of_a)),
    Mistake::pass("relu-mask-from-gradient", "the [relu of {} passes|relus of {} pass] the error on where the error is positive", "it passes it on where z is positive", AtSite(activation::mask_from_gradient)),
    Mistake::pass("relu-mask-of-another-layer", "the [relu of {} passes|relus of {} pass] the error on where another layer's z is positive", "it passes it on where its own z is positive", AtSite(activation::mask_of_another)),
    Mistake::pass("activation-instead-of-derivative", "the error is multiplied by the activation a at {} instead of by its derivative", "∂C/∂z is ∂C/∂a times g′(z)", AtSite(activation::times_value)),
    Mistake::pass("activation-derivative-wrong", "the [derivative|derivatives] of the activation at {} [has|have] a wrong formula", "∂C/∂z is ∂C/∂a times g′(z)", AtSite(activation::formula_wrong)),
    Mistake::hint("function-not-applied", "that is {} itself", "the function is not applied yet", |q| hints::arguments(q, Kind::Apply)),
    Mistake::hint("not-the-maximum", "that is {}, which is not the largest", "", |q| hints::arguments(q, Kind::Select)),
    Mistake::hint("derivative-at-a-instead-of-z", "the derivative was taken at a", "it is taken at z, before the activation", hints::derivative_at_a)
        .and_pass("the [derivative|derivatives] of the activation at {} [is|are] computed from the wrong number", "it is computed from z, or by its formula in a from a", AtSite(activation::at_a)),
    Mistake::pass("dropout-mask-missing", "the [mask of {} is|masks of {} are] missing in the backward pass", "what was dropped gets no error", AtSite(norm::mask_missing)),
    Mistake::pass("dropout-scale-missing", "the factor 1 / (1 − p) of {} is missing in the backward pass", "the error is multiplied by it, as the output was", AtSite(norm::scale_missing)),
    Mistake::pass("dropout-mask-of-another-layer", "the backward pass of {} has the mask of another layer", "the mask is that of the forward pass", AtSite(norm::mask_of_another)),
    Mistake::pass("dropout-other-mask", "the backward pass of {} has another mask than the forward pass", "what was dropped in the forward pass gets no error, and everything else does", InPass(norm::other_mask)).with_specificity(Specificity::Fitted).with_fixed_numbers(),
    Mistake::pass("input-off-by-one-layer", "the weight [gradient of {} reads|gradients of {} read] the wrong layer's output", "it reads what the layer has read", AtSite(linear::input_off_by_one)),
    Mistake::pass("error-off-by-one-layer", "[a parameter gradient of {} uses|parameter gradients of {} use] the wrong error", "it uses ∂C/∂z of its own layer", AtSite(linear::error_off_by_one)),

    // means
    Mistake::pass("sum-instead-of-mean", "a sum is taken", "the loss is a mean: divide once by the number of samples or outputs", Both(graph::sum_instead_of_mean, samples::sum_instead_of_mean)).apart("another number of samples or outputs"),
    Mistake::pass("mean-twice", "the mean is taken twice", "the loss is divided by the number of samples or outputs once", InPass(samples::mean_twice)).apart("another number of samples or outputs"),

    // graphs of tensors
    Mistake::pass("broadcast-not-summed", "[an operand is|operands are] broadcast in {}, but [its gradient is not summed over its|their gradients are not summed over their] copies", "the gradients of all its copies are added up", AtSite(graph::not_summed)).with_fixed_numbers(),
    Mistake::pass("broadcast-averaged", "[an operand is|operands are] broadcast in {}, but [its gradient is averaged over its|their gradients are averaged over their] copies", "the gradients of all its copies are added up", AtSite(graph::averaged)),
    Mistake::pass("repeated-index-overwritten", "where {} [reads|read] an entry several times, its gradients overwrite each other", "they are added up", AtSite(graph::index_overwritten)),
    Mistake::pass("operand-gradient-swapped", "the gradients of the two operands of {} are exchanged", "", AtSite(graph::operands_swapped)),
    Mistake::pass("transpose-missing", "a transpose is missing in the gradient through {}", "for Y = A B, ∂C/∂A is ∂C/∂Y Bᵀ and ∂C/∂B is Aᵀ ∂C/∂Y", AtSite(graph::transpose_missing)),
    Mistake::pass("error-transposed", "the error of {} is read as its transpose in the gradient of a factor", "for S = Q Kᵀ, ∂C/∂Q is ∂C/∂S K and ∂C/∂K is (∂C/∂S)ᵀ Q", AtSite(attention::error_transposed)),
    Mistake::pass("product-factor-missing", "the other factor of the [product|products] {} is missing in the gradient", "for y = a · b, ∂C/∂a is ∂C/∂y · b", AtSite(product::factor_missing)),
    Mistake::pass("other-tensor-read", "the gradient of a factor of {} reads another tensor", "for Y = A B, ∂C/∂B is Aᵀ ∂C/∂Y, with the A of this product", AtSite(product::other_tensor_read)),
    Mistake::pass("power-rule-wrong", "the [derivative of the power at {} is|derivatives of the powers at {} are] wrong", "the derivative of xⁿ is n xⁿ⁻¹", AtSite(graph::power)),
    Mistake::pass("max-gradient-to-all", "the [gradient of the maximum at {} goes|gradients of the maxima at {} go] to all entries", "it goes to the largest alone", AtSite(graph::max_to_all)),
    Mistake::pass("keepdim-lost", "the [sum at {} goes|sums at {} go] along the wrong axis", "", AtSite(graph::keepdim_lost)),
    Mistake::pass("attention-scale-missing", "the factor 1/√d of {} is missing", "the softmax reads Q Kᵀ / √d, and the error is divided by √d too", AtSite(attention::scale_missing)).apart("another d"),
    Mistake::pass("attention-scale-twice", "the factor 1/√d of {} is multiplied in twice", "the softmax reads Q Kᵀ / √d, and the error is divided by √d once too", AtSite(attention::scale_twice)).apart("another d"),
    Mistake::pass("scale-missing", "the constant [factor of {} is|factors of {} are] missing in the backward pass", "", AtSite(graph::scale_missing)).apart("another constant"),
    Mistake::pass("norm-variance-path-wrong", "the [path|paths] through the variance of {} [is|are] wrong", "the path through the variance subtracts x̂ times the mean of x̂ ∂C/∂x̂", InPass(norm_formula::path_wrong)),
    Mistake::pass("detached-tensor-differentiated", "the gradient passes through {}, which [is|are] detached", "a detached tensor is a constant", InPass(graph_norm::detached)),

    // samples, paths
    Mistake::pass("only-last-sample", "only the last sample's gradients are left", "the gradients of all samples are added up", InPass(samples::only_last)).apart("a third sample"),
    Mistake::pass("only-first-sample", "only the first sample's gradients are left", "the gradients of all samples are added up", InPass(samples::only_first)).apart("a third sample"),
    Mistake::pass("samples-left-out", "the gradients of some samples are left out", "the gradients of all samples are added up", InPass(samples::left_out)).apart("another number of samples"),
    Mistake::pass("another-sample-read", "the backward pass of {} reads numbers of another sample", "each sample has its own activations and its own error", AtSite(other_sample::read)).apart("a third sample"),
    Mistake::hint("sum-instead-of-term", "that is the sum so far", "the question is the term alone", hints::sum_so_far),
    Mistake::hint("term-left-out", "the term {} is left out", "", hints::term_left_out),
    Mistake::hint("term-instead-of-sum", "that is only the term {}", "all terms are added up", hints::single_terms),
    Mistake::hint("sum-not-finished", "that is the sum up to {}", "more terms follow", hints::partial_sums),
    Mistake::hint("term-sign-flipped", "the sign of the term {} is wrong", "", hints::term_sign_flipped),
    Mistake::hint("mean-instead-of-sum", "that is the mean of the terms", "here they are only added up", hints::mean_instead_of_sum)
        .and_pass("a mean is taken", "the loss is a sum", InPass(samples::mean_instead_of_sum)),
    Mistake::hint("added-instead-of-multiplied", "that is the sum of the factors", "they are multiplied", hints::factors_added),
    Mistake::hint("neighbour-term", "that is the term {}, beside this one", "", hints::neighbour_terms),
    Mistake::hint("neighbour-entry", "that is {}, the entry beside this one", "", hints::neighbour_entries),
    Mistake::pass("skip-branch-forgotten", "a branch of the [sum|sums] at {} passes no error back", "the errors of all branches are added up", AtSite(paths::skip_forgotten)),
    Mistake::pass("skip-branch-twice", "a branch of the [sum|sums] at {} passes its error back twice", "the error of each branch is added once", AtSite(paths::skip_twice)),
    Mistake::pass("updated-weights-used-in-backward", "the backward pass reads the weights after their update", "it reads those of the forward pass", InPass(scale::updated_weights)).with_fixed_numbers(),
    Mistake::pass("gradient-overwritten-per-turn", "the [gradient of {} is|gradients of {} are] overwritten at each use instead of added", "the gradients of all uses are added up", InPass(paths::overwritten_per_turn)),
    Mistake::pass("gradients-exchanged", "the gradients of {} are exchanged", "", InPass(paths::exchanged)),
    Mistake::pass("path-forgotten", "the [gradient|gradients] of {} [lacks|lack] the part", "the gradients of all uses are added up", InPass(paths::forgotten)),
    Mistake::pass("path-counted-twice", "the [gradient|gradients] of {} [counts|count] twice the part", "the gradient of each use is added once", InPass(paths::counted_twice)),
    Mistake::pass("derivative-of-another-activation", "the derivative at {} is that of another activation", "", AtSite(activation::of_another)),

    // numbers
    Mistake::pass("learning-rate-multiplied-in", "the learning rate is multiplied in", "it belongs to the update", InPass(scale::learning_rate)).with_specificity(Specificity::Factor).apart("another learning rate"),
    Mistake::pattern("factor-two-extra", "that is twice the number", |q| hints::without_subject(Some(2.0 * q.answer)))
        .and_pass("the numbers are twice the right ones", "", InPass(scale::factor_two_extra)).with_specificity(Specificity::Factor),
    Mistake::pattern("factor-two-missing", "that is half of the number", |q| hints::without_subject(Some(0.5 * q.answer)))
        .and_pass("the numbers are half of the right ones", "", InPass(scale::factor_two_missing)).with_specificity(Specificity::Factor),
    Mistake::pass("penalty-gradient-wrong", "the gradient 2 λ w of the penalty", "the loss of the batch adds λ w² once", InPass(penalty::wrong)),
    Mistake::pass("weight-decay-added", "a multiple of the weights is added", "weight decay belongs to the update", InPass(scale::weight_decay)).with_specificity(Specificity::Fitted),
    Mistake::pass("weight-sign-added", "a multiple of the weights' signs is added", "the loss has no penalty λ Σ |w|", InPass(scale::weight_sign)).with_specificity(Specificity::Fitted),
    Mistake::pass("error-clipped", "the [error|errors] of {} [is|are] clipped", "clipping belongs to the finished gradients, before the update", InPass(clip::clipped)).with_specificity(Specificity::Fitted),
    Mistake::pass("constant-factor", "the numbers are the right ones times", "", InPass(scale::constant_factor)).with_specificity(Specificity::Fitted),
];
