package nomad

import (
	"cmp"
	"fmt"
)

// TaskPolicy is the ACL policy that the job's tasks need beyond what every task
// may: the lock of the archiver. Reading services and the task API itself need
// none.
func (s Spec) TaskPolicy() string {
	return fmt.Sprintf(`# What the tasks of job %q need: the lock that lets one of several replicas archive.
namespace %q {
  variables {
    path %q {
      capabilities = ["read", "write"]
    }
  }
}
`, s.Job, cmp.Or(s.Namespace, "default"), s.LockPath())
}

// OperatorPolicy is the ACL policy that a person needs for spec, plan,
// register, status and deregister.
func (s Spec) OperatorPolicy() string {
	namespace := cmp.Or(s.Namespace, "default")
	if s.Volume() == "" {
		return fmt.Sprintf(`# What a person needs for: appliance nomad plan, register, status, deregister.
namespace %q {
  capabilities = ["submit-job", "read-job", "read-logs"]
}
`, namespace)
	}
	return fmt.Sprintf(`# What a person needs for: appliance nomad plan, register, status, deregister.
namespace %q {
  capabilities = ["submit-job", "read-job", "read-logs", "host-volume-create", "host-volume-read"]
}

host_volume %q {
  policy = "write"
}
`, namespace, s.Volume())
}
