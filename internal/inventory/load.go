package inventory

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"
)

// Document is one YAML text with the name to use for it in errors.
type Document struct {
	Name string
	Data []byte
}

// LoadFiles reads the files and loads them as one inventory.
func LoadFiles(paths ...string) (*Inventory, error) {
	docs := make([]Document, 0, len(paths))
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read inventory: %w", err)
		}
		docs = append(docs, Document{Name: path, Data: data})
	}
	return Load(docs...)
}

// Load merges the documents into one inventory and checks it as a whole. What
// is wrong comes back as an *[Error].
func Load(docs ...Document) (*Inventory, error) {
	if len(docs) == 0 {
		return nil, errors.New("load inventory: no documents; name at least one file")
	}
	r, problems, err := read(docs, cut)
	if err != nil {
		r, problems, _ = read(docs, whole)
	}
	inv := &Inventory{revision: revision(docs)}
	inv.index(r, problems)
	if err := problems.err(); err != nil {
		return nil, err
	}
	return inv, nil
}

// read reads the documents, each with its long list apart where apart finds one.
func read(docs []Document, apart func([]byte) ([]byte, *long)) (*raw, *problems, error) {
	trees, problems := parse(docs, apart)
	r := &raw{zones: zones{}}
	for i, t := range trees {
		for _, n := range t.documents {
			d := &decoder{entry: entry{file: docs[i].Name, doc: i, index: -1, node: n}, problems: problems}
			if err := r.document(d, n, t.long); err != nil {
				return nil, nil, err
			}
		}
	}
	return r, problems, nil
}

// whole leaves a document as it is.
func whole(data []byte) ([]byte, *long) { return data, nil }

// revision identifies the documents' contents, whatever their names and order.
func revision(docs []Document) string {
	sums := make([][sha256.Size]byte, len(docs))
	for i, d := range docs {
		sums[i] = sha256.Sum256(d.Data)
	}
	slices.SortFunc(sums, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
	h := sha256.New()
	for _, s := range sums {
		h.Write(s[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// parse reads the documents side by side into trees that keep lines and columns.
func parse(docs []Document, apart func([]byte) ([]byte, *long)) ([]tree, *problems) {
	trees := make([]tree, len(docs))
	failed := make([]error, len(docs))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, doc := range docs {
		g.Go(func() error {
			trees[i], failed[i] = treeOf(doc.Data, apart)
			return nil
		})
	}
	_ = g.Wait() // the functions return no error: each is kept by its document
	problems := &problems{}
	for i, err := range failed {
		switch {
		case err != nil:
			problems.list = append(problems.list, placed{i, syntaxProblem(docs[i].Name, err)})
		case len(trees[i].documents) == 0:
			problems.list = append(problems.list, placed{i, Problem{
				File: docs[i].Name, Line: 1, Column: 1, Field: "version",
				Text: "the document is empty; begin it with version: 1",
			}})
		}
	}
	return trees, problems
}

// tree is a parsed text: mostly one document, and its long list if it has one.
type tree struct {
	documents []*yaml.Node
	long      *long
}

func treeOf(data []byte, apart func([]byte) ([]byte, *long)) (tree, error) {
	rest, list := apart(data)
	if list != nil {
		if documents, err := parseOne(rest); err == nil && list.belongs(documents) {
			return tree{documents, list}, nil
		}
	}
	documents, err := parseOne(data)
	return tree{documents: documents}, err
}

func parseOne(data []byte) (nodes []*yaml.Node, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nil, err
		}
		if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
			nodes = append(nodes, n.Content[0])
		}
	}
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// syntaxProblem turns the parser's complaint into a Problem. The parser quotes
// no values, only what it expected.
func syntaxProblem(file string, err error) Problem {
	line := 1
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.TrimPrefix(text, fmt.Sprintf("line %d: ", line))
	return Problem{File: file, Line: line, Column: 1, Field: "yaml", Text: text + "; mend the YAML syntax"}
}

// err returns the problems in the order of the documents, bounded, or nil.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b placed) int {
		if a.doc != b.doc {
			return a.doc - b.doc
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	e := &Error{More: p.more}
	for i, at := range p.list {
		if i == maxProblems {
			e.More += len(p.list) - i
			break
		}
		e.Problems = append(e.Problems, at.Problem)
	}
	return e
}
