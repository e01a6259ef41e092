package described

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"
)

// request is how a request is written. Each text in it is a template over
// [fields]; what it yields is encoded for its place.
type request struct {
	Method  word               `yaml:"method"`
	URL     pattern            `yaml:"url"`
	Query   map[string]pattern `yaml:"query"`
	Headers map[string]pattern `yaml:"headers"`
	Basic   *basic             `yaml:"basic"`
	// One of these is the body.
	Form map[string]pattern `yaml:"form"`
	JSON yaml.Node          `yaml:"json"`
	Body pattern            `yaml:"body"`

	json any // JSON with patterns for its texts
}

// basic logs in by HTTP's own way.
type basic struct {
	User     pattern `yaml:"user"`
	Password pattern `yaml:"password"`
}

// pattern is a text with fields in it.
type pattern struct {
	word

	made *template.Template
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (p *pattern) UnmarshalYAML(node *yaml.Node) error { return p.word.UnmarshalYAML(node) }

func (p pattern) fill(f fields) (string, error) {
	if p.made == nil {
		return "", nil
	}
	var out strings.Builder
	if err := p.made.Execute(&out, f); err != nil {
		return "", fmt.Errorf("line %d of the description: %w", p.line, err)
	}
	return out.String(), nil
}

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut}

func (c *checker) request(field string, r *request) {
	if r.Method.text == "" {
		r.Method.text = http.MethodPost
	}
	if !slices.Contains(methods, r.Method.text) {
		c.wrong(r.Method.line, field+".method", fmt.Sprintf("%q is none of %v", r.Method.text, methods))
	}
	c.url(field+".url", &r.URL)
	bodies := 0
	for name, has := range map[string]bool{"form": r.Form != nil, "json": r.JSON.Kind != 0, "body": r.Body.line != 0} {
		if !has {
			continue
		}
		if bodies++; bodies > 1 || r.Method.text == http.MethodGet {
			c.wrong(max(r.Method.line, r.URL.line), field+"."+name, "a request has one of form, json and body, and GET has none")
		}
	}
	c.patterns(field+".query", r.Query)
	c.patterns(field+".headers", r.Headers)
	c.patterns(field+".form", r.Form)
	c.pattern(field+".body", &r.Body)
	if r.Basic != nil {
		c.pattern(field+".basic.user", &r.Basic.User)
		c.pattern(field+".basic.password", &r.Basic.Password)
	}
	if r.JSON.Kind != 0 {
		r.json = c.tree(field+".json", &r.JSON)
	}
}

// url wants the host to be fixed: a field must not be able to send a message,
// and the password with it, elsewhere.
func (c *checker) url(field string, p *pattern) {
	if p.line == 0 {
		c.wrong(1, field, "missing")
		return
	}
	fixed, _, _ := strings.Cut(p.text, "{{")
	u, err := url.Parse(fixed)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || (fixed != p.text && u.Path == "") {
		c.wrong(p.line, field, "begin with https://host/ without a field in it")
	}
	c.pattern(field, p)
}

func (c *checker) patterns(field string, all map[string]pattern) {
	for name, p := range all {
		c.pattern(field+"."+name, &p)
		all[name] = p
	}
}

// pattern makes the template and tries it.
func (c *checker) pattern(field string, p *pattern) {
	if p.line == 0 {
		return
	}
	made, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"secret": func(name string) (string, error) {
		value, there := c.secrets[name]
		if !there {
			return "", fmt.Errorf("the configuration has no secret %q for this provider", name)
		}
		return value, nil
	}}).Parse(p.text)
	if err == nil {
		err = made.Execute(io.Discard, fields{})
	}
	if err != nil {
		c.wrong(p.line, field, strings.TrimPrefix(err.Error(), "template: :"))
		return
	}
	p.made = made
}

// tree turns JSON's texts into patterns.
func (c *checker) tree(field string, node *yaml.Node) any {
	switch node.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i].Value
			out[key] = c.tree(field+"."+key, node.Content[i+1])
		}
		return out
	case yaml.SequenceNode:
		out := make([]any, len(node.Content))
		for i, n := range node.Content {
			out[i] = c.tree(fmt.Sprintf("%s[%d]", field, i), n)
		}
		return out
	}
	if node.Tag == "!!str" {
		p := pattern{word: word{text: node.Value, line: node.Line}}
		c.pattern(field, &p)
		return p
	}
	var v any
	if err := node.Decode(&v); err != nil {
		c.wrong(node.Line, field, err.Error())
	}
	return v
}

func filled(v any, f fields) (any, error) {
	var err error
	switch v := v.(type) {
	case pattern:
		return v.fill(f)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			if out[k], err = filled(v[k], f); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			if out[i], err = filled(v[i], f); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// build writes the request for one message.
func (r *request) build(ctx context.Context, f fields) (*http.Request, error) {
	body, kind, err := r.body(f)
	if err != nil {
		return nil, err
	}
	target, err := r.target(f)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.Method.text, target, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the description's URL is none once its fields are filled in")
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for name, p := range r.Headers {
		value, err := p.fill(f)
		if err != nil {
			return nil, err
		}
		req.Header.Set(name, value)
	}
	if r.Basic != nil {
		user, err := r.Basic.User.fill(f)
		if err != nil {
			return nil, err
		}
		password, err := r.Basic.Password.fill(f)
		if err != nil {
			return nil, err
		}
		req.SetBasicAuth(user, password)
	}
	once(req)
	return req, nil
}

// once keeps the transport from sending a request anew after a connection that
// broke: it takes a GET, or what has an idempotency key, for repeatable, and
// here either is a message. A body that can't be read again stops it.
func once(req *http.Request) {
	repeatable := req.Method == http.MethodGet || req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != ""
	if !repeatable {
		return
	}
	if req.Body == nil || req.Body == http.NoBody {
		req.Body = io.NopCloser(strings.NewReader(""))
	}
	req.GetBody = nil
}

func (r *request) target(f fields) (string, error) {
	target, err := r.URL.fill(f)
	if err != nil {
		return "", err
	}
	values, err := fillAll(r.Query, f)
	if err != nil || len(values) == 0 {
		return target, err
	}
	join := "?"
	if strings.Contains(target, "?") {
		join = "&"
	}
	return target + join + values.Encode(), nil
}

func (r *request) body(f fields) (body []byte, kind string, err error) {
	switch {
	case r.Form != nil:
		values, err := fillAll(r.Form, f)
		return []byte(values.Encode()), "application/x-www-form-urlencoded", err
	case r.json != nil:
		tree, err := filled(r.json, f)
		if err != nil {
			return nil, "", err
		}
		body, err = json.Marshal(tree)
		return body, "application/json", err
	default:
		text, err := r.Body.fill(f)
		return []byte(text), "", err
	}
}

// fillAll leaves out what is empty: a sender's name, or a callback, that isn't configured.
func fillAll(all map[string]pattern, f fields) (url.Values, error) {
	out := url.Values{}
	for name, p := range all {
		value, err := p.fill(f)
		if err != nil {
			return nil, err
		}
		if value != "" {
			out.Set(name, value)
		}
	}
	return out, nil
}
