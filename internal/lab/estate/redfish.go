package estate

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vakhta/internal/inventory"
)

type machineKey struct{}

// bmcListener tells the one HTTP server whose BMC a connection came to.
type bmcListener struct {
	net.Listener
	machine *machine
}

// logEntry is one line of a BMC's event log.
type logEntry struct {
	at                time.Time
	severity, message string
}

// logLength is how many entries a BMC keeps.
const logLength = 32

func (m *machine) note(at time.Time, severity, message string) {
	if m.bmc == nil {
		return
	}
	m.log = append(m.log, logEntry{at, severity, message})
	if len(m.log) > logLength {
		m.log = m.log[1:]
	}
}

func hostPort(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}

type object = map[string]any

func link(path string) object { return object{"@odata.id": path} }

func collection(path, kind string, members ...string) object {
	links := []object{}
	for _, m := range members {
		links = append(links, link(m))
	}
	return object{
		"@odata.id": path, "@odata.type": "#" + kind + "." + kind, "Name": kind,
		"Members@odata.count": len(links), "Members": links,
	}
}

// serveBMC answers as the BMC that the connection came to, by DMTF's Redfish
// (DSP0266): a service root that anybody may read, sessions or basic
// authentication for the rest.
func (l *Lab) serveBMC(w http.ResponseWriter, r *http.Request) {
	m := r.Context().Value(machineKey{}).(*machine)
	if d := l.delay(m.component.ID); d > 0 {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
			return
		}
	}
	l.mu.Lock()
	powered := m.powered
	l.mu.Unlock()
	if !powered { // a connection kept from before the outage
		panic(http.ErrAbortHandler)
	}
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case path == "/redfish":
		reply(w, http.StatusOK, object{"v1": "/redfish/v1/"})
	case path == "/redfish/v1":
		reply(w, http.StatusOK, serviceRoot(m.component))
	case r.Method == http.MethodPost && path == "/redfish/v1/SessionService/Sessions":
		l.openSession(w, r, m)
	case !l.authorized(r, m):
		w.Header().Set("WWW-Authenticate", `Basic realm="redfish"`)
		refuse(w, http.StatusUnauthorized, "Base.1.0.NoValidSession", "There is no valid session established with the implementation.")
	case r.Method == http.MethodDelete && strings.HasPrefix(path, "/redfish/v1/SessionService/Sessions/"):
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost && path == "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset":
		l.reset(w, r, m)
	case r.Method == http.MethodGet:
		l.serveResource(w, path, m)
	default:
		refuse(w, http.StatusMethodNotAllowed, "Base.1.0.ActionNotSupported", "The method is not supported here.")
	}
}

func (l *Lab) serveResource(w http.ResponseWriter, path string, m *machine) {
	l.mu.Lock()
	body := l.resource(path, m)
	l.mu.Unlock()
	if body == nil {
		refuse(w, http.StatusNotFound, "Base.1.0.ResourceMissingAtURI", "The resource at the URI was not found.")
		return
	}
	reply(w, http.StatusOK, body)
}

// resource is the body of the resource, nil for one that isn't there. The lab is locked.
func (l *Lab) resource(path string, m *machine) object {
	const root = "/redfish/v1"
	entries := root + "/Systems/1/LogServices/SEL/Entries"
	switch path {
	case root + "/SessionService":
		return object{
			"@odata.id": path, "@odata.type": "#SessionService.v1_1_8.SessionService", "Id": "SessionService",
			"Name": "Session Service", "ServiceEnabled": true, "SessionTimeout": 1800, "Sessions": link(path + "/Sessions"),
		}
	case root + "/SessionService/Sessions":
		return collection(path, "SessionCollection")
	case root + "/Systems":
		return collection(path, "ComputerSystemCollection", path+"/1")
	case root + "/Systems/1":
		return system(path, m)
	case root + "/Systems/1/LogServices":
		return collection(path, "LogServiceCollection", path+"/SEL")
	case root + "/Systems/1/LogServices/SEL":
		return object{
			"@odata.id": path, "@odata.type": "#LogService.v1_1_3.LogService", "Id": "SEL", "Name": "System Event Log",
			"MaxNumberOfRecords": logLength, "ServiceEnabled": true, "Entries": link(entries),
		}
	case entries:
		return m.entries(path)
	case root + "/Chassis":
		return collection(path, "ChassisCollection", path+"/1")
	case root + "/Chassis/1":
		return object{
			"@odata.id": path, "@odata.type": "#Chassis.v1_14_0.Chassis", "Id": "1", "Name": m.component.ID,
			"ChassisType": "RackMount", "PowerState": powerState(m), "Status": health(m.on, "OK"),
			"Power": link(path + "/Power"), "Links": object{"ComputerSystems": []object{link(root + "/Systems/1")}},
		}
	case root + "/Chassis/1/Power":
		return l.power(path, m)
	}
	return nil
}

func serviceRoot(c *inventory.Component) object {
	const root = "/redfish/v1"
	return object{
		"@odata.id": root + "/", "@odata.type": "#ServiceRoot.v1_5_0.ServiceRoot", "Id": "RootService", "Name": "Root Service",
		"RedfishVersion": "1.6.0", "UUID": uuid(c.ID), "Product": "Vakhta lab BMC",
		"Systems": link(root + "/Systems"), "Chassis": link(root + "/Chassis"), "SessionService": link(root + "/SessionService"),
		"Links": object{"Sessions": link(root + "/SessionService/Sessions")},
	}
}

func system(path string, m *machine) object {
	return object{
		"@odata.id": path, "@odata.type": "#ComputerSystem.v1_12_0.ComputerSystem", "Id": "1", "Name": m.component.ID,
		"SystemType": "Physical", "HostName": m.component.ID, "AssetTag": m.component.Label, "UUID": uuid(m.component.ID),
		"Manufacturer": "Vakhta", "Model": "Lab 1U", "PowerState": powerState(m), "Status": health(m.on, "OK"),
		"LogServices": link(path + "/LogServices"),
		"Links":       object{"Chassis": []object{link("/redfish/v1/Chassis/1")}},
		"Actions": object{"#ComputerSystem.Reset": object{
			"target":                            path + "/Actions/ComputerSystem.Reset",
			"ResetType@Redfish.AllowableValues": []string{"On", "ForceOff", "GracefulShutdown"},
		}},
	}
}

// power lists a power supply for each cord, with what its PDU gives it.
func (l *Lab) power(path string, m *machine) object {
	w := l.world(time.Now())
	supplies := []object{}
	for _, g := range m.component.Needs {
		if g.Name != "power" {
			continue
		}
		for i, pdu := range g.Members {
			live := w.at(pdu).works
			volts, state := 0, "Critical"
			if live {
				volts, state = 230, "OK"
			}
			supplies = append(supplies, object{
				"@odata.id": fmt.Sprintf("%s#/PowerSupplies/%d", path, i), "MemberId": strconv.Itoa(i),
				"Name": supplyName(i), "PowerSupplyType": "AC", "LineInputVoltage": volts,
				"LineInputVoltageType": "AC240V", "PowerCapacityWatts": 550, "Status": health(live, state),
			})
		}
	}
	return object{
		"@odata.id": path, "@odata.type": "#Power.v1_6_0.Power", "Id": "Power", "Name": "Power",
		"PowerControl": []object{}, "PowerSupplies": supplies,
	}
}

func (m *machine) entries(path string) object {
	members := []object{}
	for i, e := range m.log {
		id := strconv.Itoa(i + 1)
		members = append(members, object{
			"@odata.id": path + "/" + id, "@odata.type": "#LogEntry.v1_8_0.LogEntry", "Id": id, "Name": "Log entry " + id,
			"EntryType": "SEL", "Created": e.at.UTC().Format(time.RFC3339), "Severity": e.severity, "Message": e.message,
		})
	}
	body := collection(path, "LogEntryCollection")
	body["Members"], body["Members@odata.count"] = members, len(members)
	return body
}

func powerState(m *machine) string {
	if m.on {
		return "On"
	}
	return "Off"
}

func health(enabled bool, health string) object {
	if enabled {
		return object{"State": "Enabled", "Health": health}
	}
	return object{"State": "Disabled", "Health": health}
}

func uuid(id string) string {
	s := hex.EncodeToString(sum("uuid", id)[:16])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:32]
}

func sum(key, value string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(value))
	return h.Sum(nil)
}

// token of a session is a function of the machine and the password: nothing to
// keep, and good for as long as the lab runs.
func (l *Lab) token(m *machine) string {
	return hex.EncodeToString(sum(l.opts.BMCPassword, m.component.ID))
}

func (l *Lab) credentialsFit(user, password string) bool {
	return subtle.ConstantTimeCompare([]byte(user+"\x00"+password), []byte(l.opts.BMCUser+"\x00"+l.opts.BMCPassword)) == 1
}

func (l *Lab) authorized(r *http.Request, m *machine) bool {
	if t := r.Header.Get("X-Auth-Token"); t != "" {
		return subtle.ConstantTimeCompare([]byte(t), []byte(l.token(m))) == 1
	}
	user, password, ok := r.BasicAuth()
	return ok && l.credentialsFit(user, password)
}

func (l *Lab) openSession(w http.ResponseWriter, r *http.Request, m *machine) {
	var body struct{ UserName, Password string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&body); err != nil {
		refuse(w, http.StatusBadRequest, "Base.1.0.MalformedJSON", "The request body is not valid JSON.")
		return
	}
	if !l.credentialsFit(body.UserName, body.Password) {
		refuse(w, http.StatusUnauthorized, "Base.1.0.ResourceAtUriUnauthorized", "The user name or the password is wrong.")
		return
	}
	path := "/redfish/v1/SessionService/Sessions/1"
	w.Header().Set("X-Auth-Token", l.token(m))
	w.Header().Set("Location", path)
	reply(w, http.StatusCreated, object{
		"@odata.id": path, "@odata.type": "#Session.v1_3_0.Session", "Id": "1", "Name": "Session", "UserName": body.UserName,
	})
}

// reset switches the machine on or off, as its owner would by its BMC.
func (l *Lab) reset(w http.ResponseWriter, r *http.Request, m *machine) {
	var body struct{ ResetType string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&body); err != nil {
		refuse(w, http.StatusBadRequest, "Base.1.0.MalformedJSON", "The request body is not valid JSON.")
		return
	}
	var err error
	switch body.ResetType {
	case "On":
		err = l.ClearFault(m.component.ID)
	case "ForceOff", "GracefulShutdown":
		err = l.SetFault(m.component.ID, Fault{Mode: Off})
	default:
		refuse(w, http.StatusBadRequest, "Base.1.0.ActionParameterNotSupported", "ResetType must be On, ForceOff or GracefulShutdown.")
		return
	}
	if err != nil {
		refuse(w, http.StatusInternalServerError, "Base.1.0.InternalError", err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func reply(w http.ResponseWriter, status int, body object) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("OData-Version", "4.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the peer is gone: nobody to tell
}

func refuse(w http.ResponseWriter, status int, id, message string) {
	reply(w, status, object{"error": object{
		"code": id, "message": message,
		"@Message.ExtendedInfo": []object{{"MessageId": id, "Message": message}},
	}})
}
