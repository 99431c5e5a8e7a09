//! Writes the frames of a session as an animated SVG that repeats. It has styles and no scripts, so that it also moves as an `<img>` of a web page.
//!
//! Most elements of a frame, such as a text at a position, are also in the frame before. So each element is written only once. Elements that are visible in the
//! same frames are in one group, and the style of the group makes it visible during these frames:
//!
//! ```text
//! @keyframes f1{0%{visibility:hidden}25%{visibility:visible}75%{visibility:hidden}}
//! <g class="f f1" visibility="hidden"> … </g>
//! ```
//!
//! Without animation, as for a user who prefers reduced motion, the first frame is visible.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::mem;
use std::time::Duration;

use ratatui::buffer::Buffer;

use super::svg;
use super::theme::Background;

/// The largest number of frames.
pub const MAX_FRAMES: usize = 1000;
/// The approximate largest size of the file in MiB. The size of the styles is estimated.
pub const MAX_MEBIBYTES: usize = 16;
/// The estimated number of bytes that each span (a range of frames) of an element adds to the styles. It is small, because elements with the same spans share a
/// style.
const SPAN_BYTES: usize = 8;
/// The shortest time of a frame, in milliseconds. Shorter frames are left out.
const MIN_MS: u64 = 10;
/// The shortest time for which the last frame is visible.
const MIN_LAST_FRAME: Duration = Duration::from_secs(2);

/// The ranges of frames in which an element is visible. Each is the first frame, and the frame after the last.
type Spans = Vec<(usize, usize)>;

/// An animation that is being made, frame by frame.
#[derive(Debug)]
pub struct Animation {
    background: Background,
    /// The last frame with its start. It is not written yet, because the next frame replaces it if both have the same start.
    last: Option<(Duration, Buffer)>,
    /// The starts of the written frames.
    starts: Vec<Duration>,
    /// The largest width and height of a frame, in cells.
    size: (u16, u16),
    /// The elements of the two layers of [`svg::layers`], each with its frames.
    layers: [HashMap<String, Spans>; 2],
    /// The estimated size of the file so far.
    bytes: usize,
    max_bytes: usize,
}

impl Animation {
    /// Returns an animation without frames, on a dark or a light background.
    #[must_use]
    pub fn new(background: Background) -> Self {
        let (layers, max_bytes) = (Default::default(), MAX_MEBIBYTES << 20);
        Self { background, last: None, starts: Vec::new(), size: (0, 0), layers, bytes: 0, max_bytes }
    }

    /// Adds a frame that is visible from `start` on. If the animation would become too large, leaves the frame out and returns `false`.
    #[must_use]
    pub fn add(&mut self, start: Duration, frame: Buffer) -> bool {
        let start = rounded(start);
        match &mut self.last {
            Some((_, last)) if *last == frame => return true,
            Some((last_start, last)) if *last_start == start => {
                *last = frame;
                return true;
            }
            _ => {}
        }
        if let Some((start, frame)) = self.last.take() {
            self.write(start, &frame);
        }
        if self.starts.len() >= MAX_FRAMES || self.bytes >= self.max_bytes {
            return false;
        }
        self.last = Some((start, frame));
        true
    }

    /// Adds the elements of a frame to the layers.
    fn write(&mut self, start: Duration, frame: &Buffer) {
        let number = self.starts.len();
        self.starts.push(start);
        self.size = (self.size.0.max(frame.area.width), self.size.1.max(frame.area.height));
        for (elements, layer) in self.layers.iter_mut().zip(svg::layers(frame, self.background)) {
            for element in layer.lines() {
                let span = (number, number + 1);
                let Some(spans) = elements.get_mut(element) else {
                    self.bytes += SPAN_BYTES + element.len();
                    elements.insert(element.to_owned(), vec![span]);
                    continue;
                };
                match spans.last_mut() {
                    // the element is in the frame before too
                    Some((_, end)) if *end == number => *end += 1,
                    _ => {
                        self.bytes += SPAN_BYTES;
                        spans.push(span);
                    }
                }
            }
        }
    }

    /// Returns the SVG. The last frame is visible until `end`, and for at least two seconds. Then the animation starts again.
    #[must_use]
    pub fn finish(mut self, end: Duration) -> String {
        let end = self.last.as_ref().map_or(end, |(start, _)| end.max(*start + MIN_LAST_FRAME));
        if let Some((start, frame)) = self.last.take() {
            self.write(start, &frame);
        }
        let layers = mem::take(&mut self.layers);
        // the number in the name of the class with these spans, such as `f1`; the map is sorted, so that the same frames always give the same file
        let mut classes = BTreeMap::<Spans, usize>::new();
        let groups = layers.map(|elements| {
            let mut groups = BTreeMap::<Spans, Vec<String>>::new();
            for (element, spans) in elements {
                groups.entry(spans).or_default().push(element);
            }
            groups
        });
        for spans in groups.iter().flat_map(BTreeMap::keys) {
            let number = classes.len();
            classes.entry(spans.clone()).or_insert(number);
        }
        let mut out = svg::start(self.size);
        self.styles(&mut out, &classes, end);
        out.push_str(&svg::background_rect(self.background));
        for (spans, mut elements) in groups.into_iter().flatten() {
            elements.sort_unstable();
            let hidden_at_first = if spans[0].0 == 0 { "" } else { " visibility=\"hidden\"" };
            if self.are_all_frames(&spans) {
                out.push_str("<g>\n");
            } else {
                let _ = writeln!(out, "<g class=\"f f{}\"{hidden_at_first}>", classes[&spans]);
            }
            out.extend(elements.iter().flat_map(|element| [element, "\n"]));
            out.push_str("</g>\n");
        }
        out.push_str("</svg>\n");
        out
    }

    /// Returns whether these spans are all frames.
    fn are_all_frames(&self, spans: &Spans) -> bool {
        *spans == [(0, self.starts.len())]
    }

    /// Writes the styles of the groups.
    fn styles(&self, out: &mut String, classes: &BTreeMap<Spans, usize>, end: Duration) {
        let Some(first) = self.starts.first() else { return };
        let length = end.saturating_sub(*first).as_secs_f64();
        let percent = |frame: usize| {
            let text = format!("{:.4}", self.starts[frame].saturating_sub(*first).as_secs_f64() / length * 100.0);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        let changing: BTreeMap<usize, &Spans> =
            classes.iter().filter(|(spans, _)| !self.are_all_frames(spans)).map(|(spans, number)| (*number, spans)).collect();
        if changing.is_empty() {
            return;
        }
        let _ = writeln!(out, "<style>\n@media (prefers-reduced-motion:no-preference){{.f{{animation:{length:.3}s step-end infinite}}}}");
        for (number, spans) in changing {
            let _ = write!(out, ".f{number}{{animation-name:f{number}}}@keyframes f{number}{{");
            if spans[0].0 > 0 {
                out.push_str("0%{visibility:hidden}");
            }
            for (from, to) in spans {
                let _ = write!(out, "{}%{{visibility:visible}}", percent(*from));
                if *to < self.starts.len() {
                    let _ = write!(out, "{}%{{visibility:hidden}}", percent(*to));
                }
            }
            out.push_str("}\n");
        }
        out.push_str("</style>\n");
    }
}

/// Rounds a start down to a multiple of [`MIN_MS`].
fn rounded(start: Duration) -> Duration {
    let milliseconds = u64::try_from(start.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(milliseconds / MIN_MS * MIN_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    fn frame(text: &str) -> Buffer {
        let mut frame = Buffer::empty(Rect::new(0, 0, 20, 1));
        frame.set_string(0, 0, text, Style::new());
        frame
    }

    #[test]
    fn a_text_is_written_once_and_the_last_frame_stays_for_two_seconds() {
        let mut animation = Animation::new(Background::Dark);
        for (start, text) in [(0, "same one"), (1000, "same two"), (1000, "same three"), (2000, "same three"), (3000, "same one")] {
            assert!(animation.add(Duration::from_millis(start), frame(text)));
        }
        // the frame with `two` is replaced by the next one, which has the same start. The last frame is visible from 3 s to 5 s
        let svg = animation.finish(Duration::from_millis(3500));
        assert_eq!(["same", "one", "two", "three"].map(|text| svg.matches(&format!(">{text}<")).count()), [1, 1, 0, 1], "{svg}");
        assert!(svg.contains("animation:5.000s"), "{svg}");
        assert!(svg.contains("{0%{visibility:visible}20%{visibility:hidden}60%{visibility:visible}}"), "{svg}");
        assert!(svg.contains("{0%{visibility:hidden}20%{visibility:visible}60%{visibility:hidden}}"), "{svg}");
    }

    #[test]
    fn an_animation_has_a_largest_size() {
        let mut animation = Animation { max_bytes: 1000, ..Animation::new(Background::Dark) };
        let added = (0..100).take_while(|number| animation.add(Duration::from_secs(*number), frame(&format!("{number}")))).count();
        // a frame takes about 100 of the 1000 bytes
        assert!((5..15).contains(&added), "{added}");
        assert!(animation.finish(Duration::ZERO).len() < 3000);
    }
}
