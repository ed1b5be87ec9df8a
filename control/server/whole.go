package server

import (
	"net/http"

	"gsv/control"
	"gsv/supervise/status"
)

// apply is POST /v1/apply. Bad files are a problem, though the good ones were applied.
func (s *Server) apply(w http.ResponseWriter, r *http.Request, c status.Caller) error {
	if !s.may(ask{verb: control.Lookup("apply")}, "", c) {
		return notPermitted(c, "apply", "")
	}
	var call status.ApplyCall
	if err := s.read(w, r, &call); err != nil {
		return err
	}
	if call.ID == "" {
		call.ID = control.NewID()
	}
	if !validID.MatchString(call.ID) {
		return usage("the id may be letters, digits, \".\", \"_\" and \"-\", up to 128", "")
	}
	result, err := s.gsv.Apply(r.Context(), status.ApplyRequest{ID: call.ID, Names: call.Names, DryRun: call.DryRun, Restart: call.Restart, Force: call.Force, By: c})
	if err != nil {
		return err
	}
	if result.Steps == nil {
		result.Steps = []status.Step{}
	}
	if code, why := control.ApplyExit(&result); code != control.Done {
		return &status.Problem{Detail: why, Hint: result.Hint, ExitCode: code, Apply: &result}
	}
	return answer(w, http.StatusOK, result)
}

// shutdown is POST /v1/shutdown. It is answered at once with what gsv is: the end of that pid is the end of gsv.
func (s *Server) shutdown(w http.ResponseWriter, r *http.Request, c status.Caller) error {
	if !s.may(ask{verb: control.Lookup("shutdown")}, "", c) {
		return notPermitted(c, "shutdown", "")
	}
	var none struct{}
	if err := s.read(w, r, &none); err != nil {
		return err
	}
	about := s.gsv.About()
	if err := s.gsv.Shutdown(r.Context(), c); err != nil {
		return err
	}
	return answer(w, http.StatusAccepted, about)
}
