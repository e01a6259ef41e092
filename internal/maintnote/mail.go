package maintnote

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
)

// maxDepth is how deep the parts of a mail may be nested.
const maxDepth = 8

// calendarsIn are the calendars in a text: itself, or the parts of a mail.
func calendarsIn(text []byte) ([]string, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if isCalendar(text) {
		return []string{string(text)}, nil
	}
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("neither a calendar (BEGIN:VCALENDAR) nor a mail: %w", err)
	}
	return parts(textproto.MIMEHeader(m.Header), m.Body, 0)
}

func isCalendar(text []byte) bool {
	const head = "BEGIN:VCALENDAR"
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) >= len(head) && strings.EqualFold(string(text[:len(head)]), head)
}

// parts are the calendars in a part of a mail and the parts within it.
func parts(h textproto.MIMEHeader, body io.Reader, depth int) ([]string, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the parts of the mail are nested deeper than %d", maxDepth)
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err == nil && strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" {
		var out []string
		for r := multipart.NewReader(body, params["boundary"]); ; {
			p, err := r.NextRawPart()
			if err != nil { // the end, or cut off
				return out, nil //nolint:nilerr // as many notices as arrived whole
			}
			inner, err := parts(p.Header, p, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
		}
	}
	decoded, err := decode(h.Get("Content-Transfer-Encoding"), body)
	if err != nil {
		return nil, err
	}
	if kind == "message/rfc822" {
		inner, err := mail.ReadMessage(bytes.NewReader(decoded))
		if err != nil {
			return nil, nil //nolint:nilerr // a forwarded mail that is none: nothing in it for us
		}
		return parts(textproto.MIMEHeader(inner.Header), inner.Body, depth+1)
	}
	if isCalendar(decoded) {
		return []string{string(decoded)}, nil
	}
	return nil, nil
}

func decode(encoding string, body io.Reader) ([]byte, error) {
	body = io.LimitReader(body, maxText)
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("decode a part of the mail: %w", err)
	}
	return text, nil
}
