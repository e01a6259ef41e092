package sandbox

import (
	"fmt"
	"html"
	"regexp"
	"strings"
)

var (
	tag     = regexp.MustCompile(`<(/?)([a-zA-Z][a-zA-Z0-9-]*)((?:\s[^<>]*)?)>`)
	botTags = map[string]bool{
		"b": true, "strong": true, "i": true, "em": true, "u": true, "ins": true, "s": true, "strike": true, "del": true,
		"span": true, "tg-spoiler": true, "a": true, "tg-emoji": true, "code": true, "pre": true, "blockquote": true,
	}
)

// plainText is what a reader sees of a text in a parse mode; bad is Telegram's
// complaint about markup that it can't parse.
func plainText(text, mode string) (plain, bad string) {
	switch strings.ToLower(mode) {
	case "":
		return text, ""
	case "html":
		return plainHTML(text)
	case "markdownv2":
		return plainMarkdown(text)
	case "markdown":
		return strings.NewReplacer("*", "", "_", "", "`", "").Replace(text), ""
	}
	return "", "unsupported parse_mode"
}

func plainHTML(text string) (string, string) {
	var open []string
	last := 0
	var b strings.Builder
	for _, m := range tag.FindAllStringSubmatchIndex(text, -1) {
		between := text[last:m[0]]
		if strings.Contains(between, "<") {
			return "", fmt.Sprintf("can't parse entities: Unexpected end of start tag at byte offset %d", last+strings.Index(between, "<"))
		}
		b.WriteString(html.UnescapeString(between))
		last = m[1]
		name := strings.ToLower(text[m[4]:m[5]])
		switch closing := m[2] != m[3]; {
		case !botTags[name]:
			return "", fmt.Sprintf("can't parse entities: Unsupported start tag %q at byte offset %d", name, m[0])
		case !closing:
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			return "", fmt.Sprintf("can't parse entities: Unmatched end tag at byte offset %d, found \"</%s>\"", m[0], name)
		default:
			open = open[:len(open)-1]
		}
	}
	if strings.Contains(text[last:], "<") {
		return "", fmt.Sprintf("can't parse entities: Unexpected end of start tag at byte offset %d", last+strings.Index(text[last:], "<"))
	}
	if len(open) > 0 {
		return "", fmt.Sprintf("can't parse entities: Can't find end tag corresponding to start tag %q", open[len(open)-1])
	}
	b.WriteString(html.UnescapeString(text[last:]))
	return b.String(), ""
}

// plainMarkdown drops MarkdownV2's marks and refuses the reserved characters
// that stand unescaped outside of a link or code.
func plainMarkdown(text string) (string, string) {
	var b strings.Builder
	runes := []rune(text)
	code := false
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '\\' && i+1 < len(runes):
			i++
			b.WriteRune(runes[i])
		case r == '`':
			code = !code
		case code:
			b.WriteRune(r)
		case r == ']' && i+1 < len(runes) && runes[i+1] == '(':
			for i < len(runes) && runes[i] != ')' {
				i++
			}
		case strings.ContainsRune("*_~|[", r):
		case r == '>' && (i == 0 || runes[i-1] == '\n'):
		case strings.ContainsRune("]()>#+-={}.!", r):
			return "", fmt.Sprintf("can't parse entities: Character '%c' is reserved and must be escaped with the preceding '\\'", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String(), ""
}
