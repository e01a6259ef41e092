package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// proxmoxVE speaks the one call of Proxmox VE's API that we make, as its API
// viewer documents it.
func proxmoxVE(t testing.TB, token string, answer func(w http.ResponseWriter)) *inventory.Proxmox {
	t.Helper()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "PVEAPIToken="+token:
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method != http.MethodGet || r.URL.Path != "/api2/json/nodes/pve1/qemu":
			w.WriteHeader(http.StatusNotImplemented)
		default:
			w.Header().Set("Content-Type", "application/json;charset=UTF-8")
			answer(w)
		}
	}))
	t.Cleanup(srv.Close)
	return &inventory.Proxmox{
		URL: srv.URL, Node: "pve1", Credentials: "env:VAKHTA_TEST_PVE",
		Guests: map[string]string{"100": "srv-100", "101": "srv-101", "102": "srv-102", "103": "srv-103"},
	}
}

const token = "vakhta@pve!watch=8a7f-secret"

func TestHypervisorTellsWhichGuestsRun(t *testing.T) {
	px := proxmoxVE(t, token, func(w http.ResponseWriter) {
		_, _ = fmt.Fprint(w, `{"data":[{"vmid":100,"name":"a","status":"running","uptime":1234,"cpus":2,"maxmem":2147483648},
			{"vmid":101,"name":"b","status":"stopped"},{"vmid":102,"status":"running","qmpstatus":"paused"}]}`)
	})
	t.Setenv("VAKHTA_TEST_PVE", token)
	hv := inventory.Component{ID: "hv", Kind: inventory.KindHypervisor, Probe: inventory.Profile{Proxmox: px}}
	a := New(one{&hv}, &memory{}, Options{Vantage: "msk"})
	s := a.shardOf([]string{"hv"}, []topology.Probe{topology.ProbeGuest}, "msk", budget{timeout: time.Second, attempts: 1})
	s.probe(t.Context(), func(int, int) {})
	got := map[string]topology.Result{}
	for _, o := range s.observations {
		if o.Component != "hv" || o.Probe != topology.ProbeGuest {
			t.Errorf("%+v, want what hv says of its guests", o)
		}
		got[o.Peer] = o.Result
	}
	// Of one that has moved to another node, nothing: an unknown guest reads as a silent hypervisor.
	want := map[string]topology.Result{"srv-100": topology.Up, "srv-101": topology.Down, "srv-102": topology.Down}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	if r := s.result(); r.Up != 1 || r.Down != 0 {
		t.Errorf("%+v, want the hypervisor up: it answered", r)
	}
}

// one is an inventory of one component.
type one struct{ c *inventory.Component }

func (o one) Component(id string) (*inventory.Component, bool) { return o.c, id == o.c.ID }

// A hypervisor that is there and does not tell is not silent: no observation says that it is.
func TestHypervisorThatRefusesIsNotSilent(t *testing.T) {
	for name, tt := range map[string]struct {
		secret string
		answer func(http.ResponseWriter)
		detail string
	}{
		"wrong token":  {"vakhta@pve!watch=wrong-secret", nil, "the hypervisor's API refuses our credentials"},
		"no token":     {"", nil, "credentials env:VAKHTA_TEST_PVE don't hold USER@REALM!TOKENID=SECRET"},
		"error":        {token, func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }, "the hypervisor's API answers with status 500"},
		"garbage":      {token, func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, "<html>") }, "the hypervisor's API's answer is not understood"},
		"no list":      {token, func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, `{"data":null}`) }, "the hypervisor's API's answer is not understood"},
		"endless list": {token, func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, `{"data":[`+strings.Repeat(`{"vmid":1},`, 200_000)) }, "the hypervisor's API's answer is not understood"},
	} {
		t.Run(name, func(t *testing.T) {
			px := proxmoxVE(t, token, tt.answer)
			t.Setenv("VAKHTA_TEST_PVE", tt.secret)
			got := New(&inventory.Inventory{}, &memory{}, Options{}).askProxmox(t.Context(), px)
			if len(got) != 1 || got[0].result != "" || got[0].detail != tt.detail {
				t.Errorf("%+v, want no observation: %s", got, tt.detail)
			}
		})
	}
}

func TestHypervisorThatHangsCostsItsBudgetOnly(t *testing.T) {
	done := make(chan struct{})
	px := proxmoxVE(t, token, func(http.ResponseWriter) { <-done })
	t.Cleanup(func() { close(done) }) // before the server's own, which waits for it
	t.Setenv("VAKHTA_TEST_PVE", token)
	a := New(&inventory.Inventory{}, &memory{}, Options{BMCTimeout: 300 * time.Millisecond})
	var got []answer
	soon(t, 3*time.Second, func() { got = a.askProxmox(t.Context(), px) })
	if got[0].detail != "the hypervisor's API does not answer in time" {
		t.Errorf("%+v", got)
	}
}

// Two sweeps that want the same device have it one after the other.
func TestDeviceHasOneConversationAtATime(t *testing.T) {
	var q turns
	leave, ok := q.take(t.Context(), "bmc")
	if !ok {
		t.Fatal("a free device is taken")
	}
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	forget, ok := q.take(late, "bmc")
	if ok {
		t.Error("two conversations with one device")
	}
	forget()
	other, ok := q.take(t.Context(), "another")
	if !ok {
		t.Error("another device waits")
	}
	other()
	leave()
	if again, ok := q.take(t.Context(), "bmc"); !ok {
		t.Error("the device is not free after its conversation")
	} else {
		again()
	}
	if len(q.devices) != 0 {
		t.Errorf("%d devices are remembered for nothing", len(q.devices))
	}
}
