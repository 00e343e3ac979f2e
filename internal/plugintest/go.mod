module github.com/seed-6bcf82c5/auditlog/internal/plugintest

go 1.26.0

require (
	github.com/seed-6bcf82c5/auditlog v0.0.0
	github.com/stretchr/testify v1.12.1
	github.com/tetratelabs/wazero v1.12.0
	github.com/traefik/yaegi v0.16.1
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.45.0 // indirect
)

replace github.com/seed-6bcf82c5/auditlog => ../..
