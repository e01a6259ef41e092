package probe

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// askProxmox asks a hypervisor's API which of its guests run, within BMCTimeout:
// GET /api2/json/nodes/{node}/qemu with an API token (Proxmox VE API).
func (a *Activities) askProxmox(ctx context.Context, p *inventory.Proxmox) []answer {
	token, err := a.opts.Secret(p.Credentials)
	if err == nil && (token == "" || strings.ContainsAny(token, "\r\n")) {
		err = fmt.Errorf("credentials %s don't hold USER@REALM!TOKENID=SECRET", p.Credentials)
	}
	if err != nil {
		return []answer{notAsked(err.Error())}
	}
	ctx, leave, trouble := a.turn(ctx, p.URL, "the hypervisor's API", a.opts.BMCTimeout)
	defer leave()
	if trouble != "" {
		return []answer{notAsked(trouble)}
	}
	transport, err := bmcTransport(p.URL, a.opts.BMCVerifyTLS)
	if err != nil {
		return []answer{notAsked(err.Error())}
	}
	defer transport.CloseIdleConnections()
	guests, err := listGuests(ctx, transport, p, token)
	if err != nil {
		detail, ours := explainBMC(ctx, err)
		detail = strings.ReplaceAll(detail, "the BMC", "the hypervisor's API")
		if ours || transport.accepted.Load() { // it is there, and only its silence would say something
			return []answer{notAsked(detail)}
		}
		return []answer{{probe: topology.ProbeGuest, result: topology.Unknown, detail: detail}}
	}
	return guestAnswers(p.Guests, guests)
}

// guest is an item of the answer; a guest that is paused has another qmpstatus.
type guest struct {
	VMID   int    `json:"vmid"`
	Status string `json:"status"` // running or stopped
	QMP    string `json:"qmpstatus"`
}

func listGuests(ctx context.Context, transport http.RoundTripper, p *inventory.Proxmox, token string) ([]guest, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/api2/json/nodes/"+url.PathEscape(p.Node)+"/qemu", nil)
	if err != nil {
		return nil, errNotUnderstood
	}
	req.Header.Set("Authorization", "PVEAPIToken="+token)
	resp, err := (&bounded{next: transport}).RoundTrip(req) // no redirects are followed
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, statusError(resp.StatusCode)
	}
	var body struct {
		Data []guest `json:"data"`
	}
	if json.NewDecoder(resp.Body).Decode(&body) != nil || body.Data == nil {
		return nil, errNotUnderstood
	}
	return body.Data, nil
}

var errNotUnderstood = errors.New("the answer is not understood")

// statusError is an answer other than 200.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// guestAnswers tells of each guest whether it runs. Of one whose state the node doesn't tell there
// is no observation: an unknown one is a hypervisor that keeps silent.
func guestAnswers(mapped map[string]string, guests []guest) []answer {
	byID := make(map[string]guest, len(guests))
	for _, g := range guests {
		byID[fmt.Sprint(g.VMID)] = g
	}
	e := ends{probe: topology.ProbeGuest}
	var untold []answer
	for _, id := range slices.Sorted(maps.Keys(mapped)) {
		g, there := byID[id]
		switch {
		case !there: // moved to another node, or the token may not see it
			untold = append(untold, notAsked("VM "+id+" is not on this node"))
		case g.Status == "running" && (g.QMP == "" || g.QMP == "running"):
			e.add(mapped[id], "VM "+id+" is running", topology.Up)
		case g.Status == "running" && g.QMP != "paused" && g.QMP != "suspended": // migrating, saving …: it is at work
			untold = append(untold, notAsked("VM "+id+" is "+short(g.QMP, logLength)))
		case g.Status == "running" || g.Status == "stopped":
			e.add(mapped[id], "VM "+id+" is "+short(cmp.Or(g.QMP, g.Status), logLength), topology.Down)
		default:
			untold = append(untold, notAsked("VM "+id+" has no state"))
		}
	}
	return append(e.answers(0), untold...)
}
