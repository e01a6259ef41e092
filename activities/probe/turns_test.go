package probe

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

func TestConversationsKeepToTheLimitsOfAddressAndNetwork(t *testing.T) {
	for name, c := range map[string]struct {
		limits  Options
		devices []string
	}{
		"one address": {Options{PerTarget: 2 * conversation}, []string{"192.0.2.1:161", "http://192.0.2.1:8006", "https://192.0.2.1", "192.0.2.1:623"}},
		"one network": {Options{PerNetwork: 2 * conversation}, []string{"192.0.2.1:161", "192.0.2.2:161", "https://192.0.2.3", "https://192.0.2.4:8443"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := New(&inventory.Inventory{}, &memory{}, c.limits)
				began := time.Now()
				for i, device := range c.devices {
					_, leave, trouble := a.turn(t.Context(), device, "the device", time.Minute)
					leave()
					// Half of the limit is one conversation, and as much is refilled in a second.
					if took, want := time.Since(began), time.Duration(i)*time.Second; trouble != "" || took < want || took > want+want/10 {
						t.Errorf("conversation %d began after %v (%s), want %v", i+1, took, trouble, want)
					}
				}
			})
		})
	}
}

// A device that had to wait for its turn has its whole time then: else it would be called silent
// because others were asked before it.
func TestADeviceThatWaitedForItsTurnKeepsItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 2 * time.Second
		a := New(&inventory.Inventory{}, &memory{}, Options{PerTarget: 2 * conversation})
		_, leave, trouble := a.turn(t.Context(), "192.0.2.1:623", "the BMC", budget)
		leave()
		began := time.Now()
		talk, leave, trouble2 := a.turn(t.Context(), "192.0.2.1:623", "the BMC", budget)
		defer leave()
		ends, _ := talk.Deadline()
		if waited := time.Since(began); trouble+trouble2 != "" || waited != time.Second || time.Until(ends) != budget {
			t.Errorf("%s%s: waited %v, has %v; want one second, and all of its two", trouble, trouble2, waited, time.Until(ends))
		}
	})
}

// Whatever is asked of devices waits for its turn no longer than its own budget. That we were
// too busy is no silence of theirs: no observation is made.
func TestADeviceWhoseAllowanceIsUsedUpIsNotAsked(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *Activities) []answer{
		"Redfish": func(ctx context.Context, a *Activities) []answer {
			return a.askBMC(ctx, powered(inventory.BMC{URL: "https://192.0.2.1"}), bmcWants{power: true})
		},
		"IPMI": func(ctx context.Context, a *Activities) []answer {
			return a.askBMC(ctx, powered(inventory.BMC{IPMI: "192.0.2.1:623"}), bmcWants{power: true})
		},
		"SNMP": func(ctx context.Context, a *Activities) []answer {
			return a.askSNMP(ctx, snmpAgent(inventory.KindSwitch, inventory.SNMP{Address: "192.0.2.1:161"}), []topology.Probe{topology.ProbeSNMP})
		},
		"a hypervisor": func(ctx context.Context, a *Activities) []answer {
			return a.askProxmox(ctx, &inventory.Proxmox{URL: "https://192.0.2.1:8006", Node: "pve", Credentials: "env:HOME"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := New(&inventory.Inventory{}, &memory{}, Options{PerTarget: 10, BMCTimeout: time.Second, SNMPTimeout: time.Second})
				if a.pace.Admit(netip.MustParseAddr("192.0.2.1"), 100) != 0 {
					t.Fatal("the allowance is not whole")
				}
				began := time.Now()
				got := ask(t.Context(), a)
				if len(got) != 1 || got[0].result != "" || time.Since(began) != time.Second || !strings.HasSuffix(got[0].detail, "is busy with another question of ours") {
					t.Errorf("%+v after %v, want no observation, busy after its second", got, time.Since(began))
				}
			})
		})
	}
}
