package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/incident"
)

// remindEvery is how often the owners of open actions are reminded.
const remindEvery = 7 * 24 * time.Hour

// Postmortem drafts the document from the timeline, waits for people to fill,
// approve and publish it, and follows its actions until each is verified.
func Postmortem(ctx workflow.Context, in PostmortemInput) (incident.Postmortem, error) {
	if err := required("incident", in.Incident); err != nil {
		return incident.Postmortem{}, err
	}
	p := &postmortemRun{id: in.Incident, writing: workflow.NewMutex(ctx)}
	if err := p.setup(ctx); err != nil {
		return p.doc, err
	}
	return p.run(ctx)
}

type postmortemRun struct {
	id      string
	doc     incident.Postmortem
	writing workflow.Mutex
}

func (p *postmortemRun) setup(ctx workflow.Context) error {
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryDocument, func() (incident.Postmortem, error) { return p.doc, nil },
		workflow.QueryHandlerOptions{Description: "The postmortem as it stands"}); err != nil {
		return fmt.Errorf("set query %s: %w", QueryDocument, err)
	}
	return firstOf(
		upsert(ctx, AttrIncident.ValueSet(p.id), AttrStatus.ValueSet("draft")),
		edit(ctx, p, UpdateEdit, func(u EditUpdate) error { return firstOf(u.validate(), p.validateSections(u.Sections)) }, p.edit),
		edit(ctx, p, UpdateAddAction, func(u AddActionUpdate) error {
			return firstOf(u.validate(), p.mustBeOpen(), required("text", u.Text, "owner", u.Owner))
		}, p.addAction),
		edit(ctx, p, UpdateApprove, func(u ApproveUpdate) error { return firstOf(u.validate(), p.validateApprove(u)) }, p.approve),
		edit(ctx, p, UpdatePublish, func(u Act) error { return firstOf(u.validate(), p.mustBe("approved")) }, p.publish),
		edit(ctx, p, UpdateCompleteAction, func(u ActionUpdate) error { return firstOf(u.validate(), p.validateAction(u, false)) }, p.completeAction),
		edit(ctx, p, UpdateVerifyAction, func(u ActionUpdate) error { return firstOf(u.validate(), p.validateAction(u, true)) }, p.verifyAction),
	)
}

// edit registers an update that changes the document and answers with it.
func edit[U any](ctx workflow.Context, p *postmortemRun, name string, validate func(U) error, do func(workflow.Context, U) (kind, by, text string)) error {
	err := workflow.SetUpdateHandlerWithOptions(ctx, name, func(ctx workflow.Context, u U) (incident.Postmortem, error) {
		if err := p.writing.Lock(ctx); err != nil {
			return p.doc, err
		}
		defer p.writing.Unlock()
		if err := validate(u); err != nil { // somebody else was first
			return p.doc, err
		}
		kind, by, text := do(ctx, u)
		return p.doc, p.save(ctx, kind, by, text)
	}, workflow.UpdateHandlerOptions{Validator: func(u U) error {
		if p.doc.Incident == "" {
			return invalid("postmortem: is still being drafted; try again in a moment")
		}
		return validate(u)
	}})
	if err != nil {
		return fmt.Errorf("set update %s: %w", name, err)
	}
	return nil
}

func (p *postmortemRun) run(ctx workflow.Context) (incident.Postmortem, error) {
	var err error
	if p.doc, err = record[incident.Postmortem](ctx, rec.DraftPostmortem, p.id); err != nil {
		return p.doc, err
	}
	p.details(ctx)
	for p.doc.Status != "closed" {
		ready, err := workflow.AwaitWithTimeout(ctx, remindEvery, func() bool { return p.followedUp() && workflow.AllHandlersFinished(ctx) })
		if err != nil {
			return p.doc, err
		}
		if ready {
			err = p.close(ctx)
		} else {
			err = p.remind(ctx)
		}
		if err != nil {
			return p.doc, err
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() && p.doc.Status != "closed" {
			return p.doc, p.continueAsNew(ctx)
		}
	}
	return p.doc, workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}

// followedUp: nothing is left to do.
func (p *postmortemRun) followedUp() bool { return p.doc.Status == "published" && p.openActions() == 0 }

// continueAsNew carries nothing: the document is in the store.
func (p *postmortemRun) continueAsNew(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, Postmortem, PostmortemInput{Incident: p.id})
}

func (p *postmortemRun) close(ctx workflow.Context) error {
	if err := p.writing.Lock(ctx); err != nil {
		return err
	}
	defer p.writing.Unlock()
	if !p.followedUp() {
		return nil // an action was added meanwhile
	}
	p.doc.Status = "closed"
	return p.save(ctx, "closed", "vakhta", "Every action is verified; the postmortem is closed")
}

// remind tells the team what is still to do.
func (p *postmortemRun) remind(ctx workflow.Context) error {
	text := fmt.Sprintf("Postmortem of incident %s is %s; actions not verified: %d", p.id, p.doc.Status, p.openActions())
	key := "postmortem/" + workflow.Now(ctx).UTC().Format("2006-01-02")
	return handTask(ctx, "incident/"+p.id, key, "", text, normal)
}

func (p *postmortemRun) openActions() int {
	n := 0
	for _, a := range p.doc.Actions {
		if a.VerifiedAt.IsZero() {
			n++
		}
	}
	return n
}

// save writes the next revision; the caller holds the lock.
func (p *postmortemRun) save(ctx workflow.Context, kind, by, text string) error {
	subject := "incident/" + p.id
	doc, err := record[incident.Postmortem](ctx, rec.SavePostmortem, records.SavePostmortemParams{Postmortem: p.doc, Entry: incident.Entry{
		Key: fmt.Sprintf("%s/postmortem/%d", subject, p.doc.Revision), Subject: subject, Kind: "postmortem", Actor: by, Text: kind + ": " + text,
		At: workflow.Now(ctx).UTC(), Internal: true,
	}})
	if err != nil {
		return err
	}
	p.doc = doc
	p.details(ctx)
	return upsert(ctx, AttrStatus.ValueSet(p.doc.Status))
}

func (p *postmortemRun) mustBe(status string) error {
	if p.doc.Status != status {
		return invalid("postmortem: is %s, must be %s for that", p.doc.Status, status)
	}
	return nil
}

func (p *postmortemRun) mustBeOpen() error {
	if p.doc.Status == "closed" {
		return invalid("postmortem: is closed")
	}
	return nil
}

func (p *postmortemRun) validateSections(sections map[string]string) error {
	if err := p.mustBeOpen(); err != nil {
		return err
	}
	if len(sections) == 0 {
		return invalid("sections: give at least one")
	}
	for _, name := range sortedKeys(sections) {
		if _, ok := p.doc.Sections[name]; !ok {
			return invalid("sections: there is no section %q; there are %s", name, strings.Join(sortedKeys(p.doc.Sections), ", "))
		}
	}
	return nil
}

func (p *postmortemRun) edit(_ workflow.Context, u EditUpdate) (kind, by, text string) {
	names := sortedKeys(u.Sections)
	for _, n := range names {
		p.doc.Sections[n] = u.Sections[n]
	}
	return "edited", u.By, strings.Join(names, ", ")
}

func (p *postmortemRun) addAction(_ workflow.Context, u AddActionUpdate) (kind, by, text string) {
	id := fmt.Sprintf("a%d", len(p.doc.Actions)+1)
	p.doc.Actions = append(p.doc.Actions, incident.Action{ID: id, Text: u.Text, Owner: u.Owner, Due: u.Due})
	return "action", u.By, id + ": " + u.Text
}

// validateApprove: a postmortem without an action says that nothing can be
// learned, which a person must say on purpose, in the lessons.
func (p *postmortemRun) validateApprove(u ApproveUpdate) error {
	if err := p.mustBe("draft"); err != nil {
		return err
	}
	if !u.Refuse && len(p.doc.Actions) == 0 && strings.TrimSpace(p.doc.Sections["lessons"]) == "" {
		return invalid("actions: add what must be done so that it never repeats, or say in the section lessons why nothing must")
	}
	return nil
}

func (p *postmortemRun) approve(_ workflow.Context, u ApproveUpdate) (kind, by, text string) {
	if u.Refuse {
		return "refused", u.By, u.Reason
	}
	p.doc.Status, p.doc.ApprovedBy = "approved", u.By
	return "approved", u.By, u.Reason
}

func (p *postmortemRun) publish(_ workflow.Context, u Act) (kind, by, text string) {
	p.doc.Status = "published"
	return "published", u.By, ""
}

func (p *postmortemRun) validateAction(u ActionUpdate, verify bool) error {
	i := p.action(u.Action)
	if i < 0 {
		return invalid("action: there is no action %q", u.Action)
	}
	switch a := p.doc.Actions[i]; {
	case verify && a.DoneAt.IsZero():
		return invalid("action: %s is not completed yet; complete it first", u.Action)
	case verify && !a.VerifiedAt.IsZero():
		return invalid("action: %s is verified already", u.Action)
	case !verify && !a.DoneAt.IsZero():
		return invalid("action: %s is completed already", u.Action)
	}
	return nil
}

func (p *postmortemRun) action(id string) int {
	return slices.IndexFunc(p.doc.Actions, func(a incident.Action) bool { return a.ID == id })
}

func (p *postmortemRun) completeAction(ctx workflow.Context, u ActionUpdate) (kind, by, text string) {
	a := &p.doc.Actions[p.action(u.Action)]
	a.DoneAt = workflow.Now(ctx).UTC()
	return "action done", u.By, a.ID + ": " + a.Text
}

func (p *postmortemRun) verifyAction(ctx workflow.Context, u ActionUpdate) (kind, by, text string) {
	a := &p.doc.Actions[p.action(u.Action)]
	a.VerifiedAt, a.VerifiedBy = workflow.Now(ctx).UTC(), u.By
	return "action verified", u.By, a.ID + ": " + a.Text
}

func (p *postmortemRun) details(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%s**: %s\n\n%d actions, %d not verified", p.doc.Status, p.doc.Title, len(p.doc.Actions), p.openActions()))
}
