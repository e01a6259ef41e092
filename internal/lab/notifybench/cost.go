package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
)

// cost is the processor time in seconds that each part of the stand has used.
type cost map[string]float64

// ticks is the unit of /proc/PID/stat on every Linux that Go runs on.
const ticks = 100

// spent reads the processor times, as Linux counts them; elsewhere it is empty.
func (b *bench) spent(ctx context.Context) cost {
	c := cost{
		"worker": processorTime(b.Worker.PID()), "gateway": processorTime(b.Gateway.PID()),
		"providers and this program": processorTime(os.Getpid()),
	}
	if b.Temporal != nil {
		c["Temporal's server"] = processorTime(b.Temporal.PID)
	}
	if pid := postmaster(ctx, b.kind); pid != 0 {
		c["PostgreSQL"] = familyTime(pid)
	}
	if busy := machineTime(); busy > 0 {
		c[others] = busy
		for name, seconds := range c {
			if name != others {
				c[others] -= seconds
			}
		}
	}
	return c
}

// others names what the machine did besides: a figure that was measured beside
// something else says so.
const others = "whatever else this machine did"

// machineTime is what all processors of the machine were busy for since it
// started, as /proc/stat counts it: all but idle and waiting for a disk. The
// last two of its fields are counted in the first two already.
func machineTime() (sum float64) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line) {
		if i == 0 || i == 4 || i == 5 || i > 8 {
			continue
		}
		n, _ := strconv.ParseFloat(field, 64)
		sum += n / ticks
	}
	return sum
}

// since is what was spent after an earlier look.
func (c cost) since(before cost) cost {
	out := cost{}
	for name, seconds := range c {
		out[name] = seconds - before[name]
	}
	return out
}

// stat are the numbered fields of a process (proc(5)), from the third on.
func stat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything else
	return strings.Fields(rest)
}

// seconds adds up some of a process's times: 14 and 15 are its own, 16 and 17
// those of children that have ended.
func seconds(pid int, fields ...int) (sum float64) {
	if s := stat(pid); len(s) > 14 {
		for _, f := range fields {
			n, _ := strconv.ParseFloat(s[f-3], 64)
			sum += n / ticks
		}
	}
	return sum
}

func processorTime(pid int) float64 { return seconds(pid, 14, 15) }

// familyTime is that of a process and of all its children.
func familyTime(pid int) float64 {
	sum := seconds(pid, 14, 15, 16, 17)
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s := stat(child); len(s) > 1 && s[1] == strconv.Itoa(pid) {
			sum += processorTime(child)
		}
	}
	return sum
}

// postmaster is the process id of PostgreSQL's server, 0 if it isn't ours to see.
func postmaster(ctx context.Context, kind string) int {
	if kind != "postgres" {
		return 0
	}
	db, err := sql.Open("pgx", os.Getenv(postgresVariable))
	if err != nil {
		return 0
	}
	defer db.Close()
	var backend int
	if err := db.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		return 0
	}
	s := stat(backend)
	if len(s) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(s[1])
	return parent
}
