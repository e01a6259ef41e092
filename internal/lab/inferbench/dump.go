package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vakhta/internal/lab/faultgen"
)

// dump writes a night down as the replay reads it.
func dump(dir string, estate *faultgen.Estate, night *faultgen.Case) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of the dump: %w", err)
	}
	own := make([]string, 0, len(night.Own))
	for id := range night.Own {
		own = append(own, id)
	}
	slices.Sort(own)
	truth := strings.Join(night.Broken, " ") + "\n" + strings.Join(own, " ") + "\n"
	for name, text := range map[string]string{"estate.yaml": estate.YAML(), "truth.txt": truth} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("dump a night: %w", err)
		}
	}
	for name, rows := range map[string][]faultgen.Row{"sweep.jsonl": night.Rows, "before.jsonl": night.Earlier} {
		if err := dumpRows(filepath.Join(dir, name), rows); err != nil {
			return fmt.Errorf("dump a night: %w", err)
		}
	}
	return nil
}

func dumpRows(path string, rows []faultgen.Row) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	lines := json.NewEncoder(w)
	for i := range rows {
		if err := lines.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return w.Flush()
}
