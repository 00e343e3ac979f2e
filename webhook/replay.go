package webhook

import (
	"encoding/json"
	"fmt"
	"time"
)

// JobStatus is how far a replay job has come.
type JobStatus string

// The statuses of a replay job, in their order; a job ends as completed or
// failed.
const (
	JobUnconfigured JobStatus = "unconfigured" // there was none yet
	JobAccepted     JobStatus = "accepted"
	JobPending      JobStatus = "pending"
	JobRunning      JobStatus = "running"
	JobCompleted    JobStatus = "completed"
	JobFailed       JobStatus = "failed"
)

// Ended reports whether a job with the status has come to its end.
func (s JobStatus) Ended() bool { return s == JobCompleted || s == JobFailed }

// ReplayJob sends the events of a range of time again, to the webhook that is
// configured when it runs. There is one job at a time for each webhook.
//
// In JSON, the management API's answer, all members are always present; times
// are RFC 3339 in UTC.
type ReplayJob struct {
	// StartAt and EndAt bound the times of the events; both are part of the
	// range. They are zero before the first job.
	StartAt, EndAt time.Time
	// Status is unconfigured before the first job.
	Status JobStatus
	// UpdatedAt is when the job changed last, zero before the first.
	UpdatedAt time.Time
}

// replayAnswer is the wire form of a ReplayJob.
type replayAnswer struct {
	StartAt   string    `json:"start_at"`
	EndAt     string    `json:"end_at"`
	Status    JobStatus `json:"status"`
	UpdatedAt string    `json:"updated_at"`
}

// MarshalJSON implements [json.Marshaler]. An empty status is unconfigured.
func (j ReplayJob) MarshalJSON() ([]byte, error) {
	a := replayAnswer{
		StartAt:   formatTime(j.StartAt),
		EndAt:     formatTime(j.EndAt),
		Status:    j.Status,
		UpdatedAt: formatTime(j.UpdatedAt),
	}
	if a.Status == "" {
		a.Status = JobUnconfigured
	}
	return json.Marshal(a)
}

// UnmarshalJSON implements [json.Unmarshaler]. It is as lenient as
// [Config.UnmarshalJSON]; a status that is missing is unconfigured. After an
// error the ReplayJob is as it was.
func (j *ReplayJob) UnmarshalJSON(data []byte) error {
	var a replayAnswer
	if err := json.Unmarshal(data, &a); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	job := ReplayJob{Status: a.Status}
	if job.Status == "" {
		job.Status = JobUnconfigured
	}
	for _, field := range []struct {
		name, text string
		into       *time.Time
	}{{"start_at", a.StartAt, &job.StartAt}, {"end_at", a.EndAt, &job.EndAt}, {"updated_at", a.UpdatedAt, &job.UpdatedAt}} {
		t, err := parseTime(field.text)
		if err != nil {
			return fmt.Errorf("webhook: %s: %w", field.name, err)
		}
		*field.into = t
	}
	*j = job
	return nil
}

const (
	// ReplayWindow is how far back a replay job may reach: Konnect keeps
	// events for seven days.
	ReplayWindow = 7 * 24 * time.Hour
	// ReplaySkew is how far the clocks of client and server may differ.
	// The allowance is this package's own.
	ReplaySkew = time.Minute
)

// ValidateReplay checks the range of a replay job as a server does: it ends
// when it starts or later, and lies within the [ReplayWindow] before now, give
// or take [ReplaySkew]. Its error is a [*ValidationError] on start_at or
// end_at.
func ValidateReplay(startAt, endAt, now time.Time) error {
	const detail = "Invalid time range"
	var invalid ValidationError
	fault := func(field, reason string) {
		invalid.add(detail, InvalidParameter{Field: field, Reason: reason, Source: "body", Rule: "invalid"})
	}
	if startAt.Before(now.Add(-ReplayWindow - ReplaySkew)) {
		fault("start_at", "must be within the last 7 days")
	}
	if endAt.After(now.Add(ReplaySkew)) {
		fault("end_at", "must not be in the future")
	}
	if endAt.Before(startAt) {
		fault("end_at", "must not be before start_at")
	}
	return invalid.orNil()
}

// EncodeReplay returns the body of a PUT request that starts a replay job.
func EncodeReplay(startAt, endAt time.Time) []byte {
	data, _ := json.Marshal(struct { // texts always have a JSON form
		StartAt string `json:"start_at"`
		EndAt   string `json:"end_at"`
	}{formatTime(startAt), formatTime(endAt)})
	return data
}

// DecodeReplay reads the body of a PUT request as a server must: as
// [DecodePatch] does, and both start_at and end_at have to be there.
// [ValidateReplay] checks the range. Its error is a [*ValidationError].
func DecodeReplay(body []byte) (startAt, endAt time.Time, err error) {
	var start, end Optional[time.Time]
	err = decodeBody(body, func(name string) (json.Unmarshaler, string) {
		switch name {
		case "start_at":
			return &start, kindDateTime
		case "end_at":
			return &end, kindDateTime
		}
		return nil, ""
	})
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	var invalid ValidationError
	if end.IsZero() {
		invalid.missing("end_at")
	}
	if start.IsZero() {
		invalid.missing("start_at")
	}
	return start.or(time.Time{}), end.or(time.Time{}), invalid.orNil()
}
