package webhook

// ProblemMediaType is the media type of a [Problem].
const ProblemMediaType = "application/problem+json"

// Problem is the body of the management API's errors, a problem document after
// RFC 9457. The first four members are always present; those of status 400
// name at least one invalid parameter.
type Problem struct {
	// Status equals the status of the HTTP answer.
	Status int `json:"status"`
	// Title is the text of the status, such as "Bad Request".
	Title string `json:"title"`
	// Instance names the occurrence, such as "konnect:trace:367401798674419821".
	Instance string `json:"instance"`
	// Detail says what was wrong.
	Detail string `json:"detail"`
	// Type is a URI that names the kind of problem, absent in most.
	Type string `json:"type,omitzero"`
	// InvalidParameters says it field by field.
	InvalidParameters []InvalidParameter `json:"invalid_parameters,omitzero"`
}

// InvalidParameter says what is wrong with one field of a request. Konnect's
// schema allows no members beyond these.
type InvalidParameter struct {
	// Field is the name of the member, or "body".
	Field string `json:"field"`
	// Reason says what is wrong, such as "cannot be blank".
	Reason string `json:"reason"`
	// Source is where the field stood, such as "body".
	Source string `json:"source,omitzero"`
	// Rule is the rule that was broken, such as "is_boolean". Some rules have a
	// companion, one of the members below.
	Rule string `json:"rule,omitzero"`
	// Minimum goes with min, min_length, min_items and their kin.
	Minimum *int `json:"minimum,omitzero"`
	// Maximum goes with max, max_length and max_items.
	Maximum *int `json:"maximum,omitzero"`
	// Choices goes with enum.
	Choices []any `json:"choices,omitzero"`
	// Dependents goes with dependent_fields.
	Dependents []any `json:"dependents,omitzero"`
}
