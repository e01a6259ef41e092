package sandbox

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
)

func invalid(field, format string, args ...any) *mailError {
	e := &mailError{Message: fmt.Sprintf(format, args...)}
	if field != "" {
		e.Field = &field
	}
	return e
}

// The published limits of the v3 mail send call.
const (
	maxPersonalizations = 1000
	maxRecipients       = 1000
	maxCategories       = 10
	maxCategory         = 255
	maxArgBytes         = 10_000
)

// reservedHeaders can't be set by a message's own headers.
var reservedHeaders = []string{
	"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type",
	"content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc",
}

// check holds the call against SendGrid's published rules
// (docs/sendgrid/api-reference/mail-send/errors) and returns the first breach.
func (m *mailSend) check() *mailError {
	for _, rule := range []func() *mailError{m.checkRecipients, m.checkSender, m.checkContent, m.checkArgs, m.checkHeaders} {
		if bad := rule(); bad != nil {
			return bad
		}
	}
	return nil
}

func (m *mailSend) checkRecipients() *mailError {
	switch n := len(m.Personalizations); {
	case n == 0:
		return invalid("personalizations", "The personalizations field is required and must have at least one personalization.")
	case n > maxPersonalizations:
		return invalid("personalizations", "The personalization block is limited to %d personalizations per API request. You have provided %d personalizations. Please consider splitting this into multiple requests and resending your request.", maxPersonalizations, n)
	}
	seen := make(map[string]bool)
	for i, p := range m.Personalizations {
		if len(p.To) == 0 {
			return invalid(fmt.Sprintf("personalizations.%d.to", i), "The to array is required for all personalization objects, and must have at least one email object with a valid email address.")
		}
		for _, list := range []struct {
			name string
			of   []mailAddress
		}{{"to", p.To}, {"cc", p.CC}, {"bcc", p.BCC}} {
			for j, a := range list.of {
				if !validMail(a.Email) {
					return invalid(fmt.Sprintf("personalizations.%d.%s.%d.email", i, list.name, j), "Does not contain a valid address.")
				}
				if seen[address(a.Email)] {
					return invalid("personalizations", "Each unique email address in the personalizations array should only be included once. You have included [%s] more than once.", a.Email)
				}
				seen[address(a.Email)] = true
			}
		}
	}
	if len(seen) > maxRecipients {
		return invalid("personalizations", "There is a limit of %d total recipients (to + cc + bcc) per request.", maxRecipients)
	}
	return nil
}

func (m *mailSend) checkSender() *mailError {
	if m.From == nil || m.From.Email == "" {
		return invalid("from.email", "The from object must be provided for every email send. It is an object that requires the email parameter, but may also contain a name parameter.")
	}
	if !validMail(m.From.Email) {
		return invalid("from.email", "The from email does not contain a valid address.")
	}
	if m.ReplyTo != nil && !validMail(m.ReplyTo.Email) {
		return invalid("reply_to.email", "The reply_to email does not contain a valid address.")
	}
	return nil
}

func (m *mailSend) checkContent() *mailError {
	noSubject := func(p personalization) bool { return p.Subject == "" }
	if m.Subject == "" && m.TemplateID == "" && slices.ContainsFunc(m.Personalizations, noSubject) {
		return invalid("subject", "The subject is required. You can get around this requirement if you use a template with a subject defined or if every personalization has a subject defined.")
	}
	if len(m.Content) == 0 && m.TemplateID == "" {
		return invalid("content", "Unless a valid template_id is provided, the content parameter is required. There must be at least one defined content block.")
	}
	for i, c := range m.Content {
		switch {
		case c.Type == "":
			return invalid(fmt.Sprintf("content.%d.type", i), "The content type must be a string at least one character in length.")
		case c.Value == "":
			return invalid(fmt.Sprintf("content.%d.value", i), "The content value must be a string at least one character in length.")
		case c.Type == "text/plain" && i > 0:
			return invalid("content", "If present, text/plain must be first, followed by text/html, followed by any other content.")
		case c.Type == "text/html" && i > 0 && m.Content[i-1].Type != "text/plain":
			return invalid("content", "If present, text/html must follow text/plain, or be first, followed by any other content.")
		}
	}
	return nil
}

func (m *mailSend) checkArgs() *mailError {
	if len(m.Categories) > maxCategories {
		return invalid("categories", "The category limit of %d is exceeded.", maxCategories)
	}
	for i, c := range m.Categories {
		if len(c) > maxCategory {
			return invalid("categories", "Category names are limited to %d characters.", maxCategory)
		}
		if slices.Contains(m.Categories[:i], c) {
			return invalid("categories", "The categories must be unique.")
		}
	}
	for i, p := range m.Personalizations {
		if size(union(m.CustomArgs, p.CustomArgs)) > maxArgBytes {
			return invalid(fmt.Sprintf("personalizations.%d.custom_args", i), "The custom_args may not exceed %d bytes.", maxArgBytes)
		}
		if size(p.Substitutions) > maxArgBytes {
			return invalid(fmt.Sprintf("personalizations.%d.substitutions", i), "Substitutions are limited to %d bytes per personalization.", maxArgBytes)
		}
	}
	return nil
}

func (m *mailSend) checkHeaders() *mailError {
	sets := []map[string]string{m.Headers}
	for _, p := range m.Personalizations {
		sets = append(sets, p.Headers)
	}
	for _, headers := range sets {
		for name := range headers {
			if slices.Contains(reservedHeaders, strings.ToLower(name)) {
				return invalid("headers", "The header %s is reserved and can't be set.", name)
			}
		}
	}
	return nil
}

func size(args map[string]string) int {
	if len(args) == 0 {
		return 0
	}
	b, _ := json.Marshal(args) // strings marshal
	return len(b)
}

func validMail(a string) bool {
	parsed, err := mail.ParseAddress(a)
	return err == nil && parsed.Address == a && strings.Contains(a, ".")
}
