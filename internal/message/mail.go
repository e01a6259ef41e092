package message

import (
	"regexp"
	"strings"
)

// page is what the HTML layout is executed on.
type page struct {
	Lang   string
	Title  string
	Blocks []block
}

// block is one piece of a mail; one of its fields is set.
type block struct {
	Lines []string // a paragraph
	Items []string // a list
	Quote []string // somebody else's words
	Label string   // a button …
	URL   string   // … and where it leads
	Rule  bool     // what follows is the footer
}

// buttonLine is a line of the text part that becomes a button: "Label: https://…".
var buttonLine = regexp.MustCompile(`^([^:]{1,60}): (https?://\S+)$`)

// blocks reads the text part of a mail: paragraphs, "- " lists, "> " quotes,
// links on a line of their own, and "--" before the footer.
func blocks(text string) []block {
	var out []block
	for _, para := range strings.Split(text, "\n\n") {
		for _, line := range strings.Split(para, "\n") {
			out = appendLine(out, line)
		}
		out = append(out, block{})
	}
	kept := out[:0]
	for _, b := range out {
		if b.Lines != nil || b.Items != nil || b.Quote != nil || b.URL != "" || b.Rule {
			kept = append(kept, b)
		}
	}
	return kept
}

// appendLine adds a line to the last block if it continues that, or begins another.
func appendLine(out []block, line string) []block {
	var last *block
	if len(out) > 0 {
		last = &out[len(out)-1]
	}
	begin := func(b block) []block { return append(out, b) }
	if item, ok := strings.CutPrefix(line, "- "); ok {
		item = bound(item)
		if last != nil && last.Items != nil {
			last.Items = append(last.Items, item)
			return out
		}
		return begin(block{Items: []string{item}})
	}
	if quote, ok := strings.CutPrefix(line, "> "); ok {
		if last != nil && last.Quote != nil {
			last.Quote = append(last.Quote, quote)
			return out
		}
		return begin(block{Quote: []string{quote}})
	}
	if strings.Contains(line, ": http") { // few do, and the expression is slow
		if m := buttonLine.FindStringSubmatch(line); m != nil {
			return begin(block{Label: m[1], URL: m[2]})
		}
	}
	switch {
	case line == "--":
		return begin(block{Rule: true})
	case line == "":
		return out
	case last != nil && last.Lines != nil:
		last.Lines = append(last.Lines, bound(line))
		return out
	default:
		return begin(block{Lines: []string{bound(line)}})
	}
}
