"""Everything that knows gRPC: the wire's messages, servers, clients, and the faults."""

import os

# Processes here fork only to execute something else (`!command`), for which gRPC's fork handlers do
# nothing but write warnings into the user's cell. gRPC reads this when it is first imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
