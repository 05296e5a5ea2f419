from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Empty(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("watcher", "driver", "snapshots", "process", "take")
    WATCHER_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    TAKE_FIELD_NUMBER: _ClassVar[int]
    watcher: str
    driver: bool
    snapshots: bool
    process: Driver
    take: bool
    def __init__(self, watcher: _Optional[str] = ..., driver: bool = ..., snapshots: bool = ..., process: _Optional[_Union[Driver, _Mapping]] = ..., take: bool = ...) -> None: ...

class Driver(_message.Message):
    __slots__ = ("name", "pid", "started", "notebook", "since_s")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    NOTEBOOK_FIELD_NUMBER: _ClassVar[int]
    SINCE_S_FIELD_NUMBER: _ClassVar[int]
    name: str
    pid: int
    started: int
    notebook: str
    since_s: float
    def __init__(self, name: _Optional[str] = ..., pid: _Optional[int] = ..., started: _Optional[int] = ..., notebook: _Optional[str] = ..., since_s: _Optional[float] = ...) -> None: ...

class HeadEvent(_message.Message):
    __slots__ = ("gang_changed", "worker_exited", "snapshot", "stopping", "attached", "taken")
    GANG_CHANGED_FIELD_NUMBER: _ClassVar[int]
    WORKER_EXITED_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    gang_changed: Gang
    worker_exited: WorkerExit
    snapshot: Snapshot
    stopping: Stopping
    attached: Attached
    taken: Driver
    def __init__(self, gang_changed: _Optional[_Union[Gang, _Mapping]] = ..., worker_exited: _Optional[_Union[WorkerExit, _Mapping]] = ..., snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., stopping: _Optional[_Union[Stopping, _Mapping]] = ..., attached: _Optional[_Union[Attached, _Mapping]] = ..., taken: _Optional[_Union[Driver, _Mapping]] = ...) -> None: ...

class Attached(_message.Message):
    __slots__ = ("tenure",)
    TENURE_FIELD_NUMBER: _ClassVar[int]
    tenure: int
    def __init__(self, tenure: _Optional[int] = ...) -> None: ...

class Stopping(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class WorkerExit(_message.Message):
    __slots__ = ("gang", "rank", "worker", "epoch", "exit_code", "signal", "out_of_memory", "expected", "last_run", "peak_memory_bytes")
    GANG_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_MEMORY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    LAST_RUN_FIELD_NUMBER: _ClassVar[int]
    PEAK_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    gang: str
    rank: int
    worker: str
    epoch: int
    exit_code: int
    signal: int
    out_of_memory: bool
    expected: bool
    last_run: str
    peak_memory_bytes: int
    def __init__(self, gang: _Optional[str] = ..., rank: _Optional[int] = ..., worker: _Optional[str] = ..., epoch: _Optional[int] = ..., exit_code: _Optional[int] = ..., signal: _Optional[int] = ..., out_of_memory: bool = ..., expected: bool = ..., last_run: _Optional[str] = ..., peak_memory_bytes: _Optional[int] = ...) -> None: ...

class GangRequest(_message.Message):
    __slots__ = ("name", "ranks", "gpus", "cpus")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RANKS_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    CPUS_FIELD_NUMBER: _ClassVar[int]
    name: str
    ranks: int
    gpus: int
    cpus: float
    def __init__(self, name: _Optional[str] = ..., ranks: _Optional[int] = ..., gpus: _Optional[int] = ..., cpus: _Optional[float] = ...) -> None: ...

class GangName(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Gang(_message.Message):
    __slots__ = ("name", "epoch", "state", "shape", "members")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    epoch: int
    state: str
    shape: GangRequest
    members: _containers.RepeatedCompositeFieldContainer[Member]
    def __init__(self, name: _Optional[str] = ..., epoch: _Optional[int] = ..., state: _Optional[str] = ..., shape: _Optional[_Union[GangRequest, _Mapping]] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("rank", "worker", "address", "pid", "host", "state", "log_folder", "gpu_uuids", "cpu_percent", "memory_bytes")
    RANK_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LOG_FOLDER_FIELD_NUMBER: _ClassVar[int]
    GPU_UUIDS_FIELD_NUMBER: _ClassVar[int]
    CPU_PERCENT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    rank: int
    worker: str
    address: str
    pid: int
    host: str
    state: str
    log_folder: str
    gpu_uuids: _containers.RepeatedScalarFieldContainer[str]
    cpu_percent: float
    memory_bytes: int
    def __init__(self, rank: _Optional[int] = ..., worker: _Optional[str] = ..., address: _Optional[str] = ..., pid: _Optional[int] = ..., host: _Optional[str] = ..., state: _Optional[str] = ..., log_folder: _Optional[str] = ..., gpu_uuids: _Optional[_Iterable[str]] = ..., cpu_percent: _Optional[float] = ..., memory_bytes: _Optional[int] = ...) -> None: ...

class InterruptRequest(_message.Message):
    __slots__ = ("gang", "run")
    GANG_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    gang: str
    run: str
    def __init__(self, gang: _Optional[str] = ..., run: _Optional[str] = ...) -> None: ...

class ScaleRequest(_message.Message):
    __slots__ = ("workers",)
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    workers: int
    def __init__(self, workers: _Optional[int] = ...) -> None: ...

class StopRequest(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class RunReport(_message.Message):
    __slots__ = ("run", "gang", "state", "label", "started_at_s", "ended_at_s", "cell_id", "number", "name", "logs", "workers")
    RUN_FIELD_NUMBER: _ClassVar[int]
    GANG_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_S_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_S_FIELD_NUMBER: _ClassVar[int]
    CELL_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    run: str
    gang: str
    state: str
    label: str
    started_at_s: float
    ended_at_s: float
    cell_id: str
    number: int
    name: str
    logs: _containers.RepeatedScalarFieldContainer[int]
    workers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, run: _Optional[str] = ..., gang: _Optional[str] = ..., state: _Optional[str] = ..., label: _Optional[str] = ..., started_at_s: _Optional[float] = ..., ended_at_s: _Optional[float] = ..., cell_id: _Optional[str] = ..., number: _Optional[int] = ..., name: _Optional[str] = ..., logs: _Optional[_Iterable[int]] = ..., workers: _Optional[_Iterable[str]] = ...) -> None: ...

class Host(_message.Message):
    __slots__ = ("name", "cpus", "memory_bytes", "memory_used_bytes", "cpu_percent", "gpu_uuids")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CPUS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_PERCENT_FIELD_NUMBER: _ClassVar[int]
    GPU_UUIDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    cpus: int
    memory_bytes: int
    memory_used_bytes: int
    cpu_percent: float
    gpu_uuids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., cpus: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., memory_used_bytes: _Optional[int] = ..., cpu_percent: _Optional[float] = ..., gpu_uuids: _Optional[_Iterable[str]] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("session", "engine", "notebook", "started_at_s", "head_pid", "farcell_version", "python_version", "capacity", "hosts", "gangs", "runs", "drivers", "idle_stop_s", "folder", "driver")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    NOTEBOOK_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_S_FIELD_NUMBER: _ClassVar[int]
    HEAD_PID_FIELD_NUMBER: _ClassVar[int]
    FARCELL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PYTHON_VERSION_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    HOSTS_FIELD_NUMBER: _ClassVar[int]
    GANGS_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    DRIVERS_FIELD_NUMBER: _ClassVar[int]
    IDLE_STOP_S_FIELD_NUMBER: _ClassVar[int]
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    session: str
    engine: str
    notebook: str
    started_at_s: float
    head_pid: int
    farcell_version: str
    python_version: str
    capacity: int
    hosts: _containers.RepeatedCompositeFieldContainer[Host]
    gangs: _containers.RepeatedCompositeFieldContainer[Gang]
    runs: _containers.RepeatedCompositeFieldContainer[RunReport]
    drivers: int
    idle_stop_s: float
    folder: str
    driver: Driver
    def __init__(self, session: _Optional[str] = ..., engine: _Optional[str] = ..., notebook: _Optional[str] = ..., started_at_s: _Optional[float] = ..., head_pid: _Optional[int] = ..., farcell_version: _Optional[str] = ..., python_version: _Optional[str] = ..., capacity: _Optional[int] = ..., hosts: _Optional[_Iterable[_Union[Host, _Mapping]]] = ..., gangs: _Optional[_Iterable[_Union[Gang, _Mapping]]] = ..., runs: _Optional[_Iterable[_Union[RunReport, _Mapping]]] = ..., drivers: _Optional[int] = ..., idle_stop_s: _Optional[float] = ..., folder: _Optional[str] = ..., driver: _Optional[_Union[Driver, _Mapping]] = ...) -> None: ...

class ToWorker(_message.Message):
    __slots__ = ("execute", "input_reply", "fetch", "freed", "comm", "inspect", "transfer", "code")
    EXECUTE_FIELD_NUMBER: _ClassVar[int]
    INPUT_REPLY_FIELD_NUMBER: _ClassVar[int]
    FETCH_FIELD_NUMBER: _ClassVar[int]
    FREED_FIELD_NUMBER: _ClassVar[int]
    COMM_FIELD_NUMBER: _ClassVar[int]
    INSPECT_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    execute: Execute
    input_reply: InputReply
    fetch: Fetch
    freed: Freed
    comm: CommMessage
    inspect: Inspect
    transfer: Transfer
    code: Code
    def __init__(self, execute: _Optional[_Union[Execute, _Mapping]] = ..., input_reply: _Optional[_Union[InputReply, _Mapping]] = ..., fetch: _Optional[_Union[Fetch, _Mapping]] = ..., freed: _Optional[_Union[Freed, _Mapping]] = ..., comm: _Optional[_Union[CommMessage, _Mapping]] = ..., inspect: _Optional[_Union[Inspect, _Mapping]] = ..., transfer: _Optional[_Union[Transfer, _Mapping]] = ..., code: _Optional[_Union[Code, _Mapping]] = ...) -> None: ...

class FromWorker(_message.Message):
    __slots__ = ("hello", "done", "input_request", "fetched", "freed", "inspected", "transferred", "code")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    INPUT_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FETCHED_FIELD_NUMBER: _ClassVar[int]
    FREED_FIELD_NUMBER: _ClassVar[int]
    INSPECTED_FIELD_NUMBER: _ClassVar[int]
    TRANSFERRED_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    done: Done
    input_request: InputRequest
    fetched: Fetched
    freed: Freed
    inspected: Inspected
    transferred: Transferred
    code: CodeNews
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., done: _Optional[_Union[Done, _Mapping]] = ..., input_request: _Optional[_Union[InputRequest, _Mapping]] = ..., fetched: _Optional[_Union[Fetched, _Mapping]] = ..., freed: _Optional[_Union[Freed, _Mapping]] = ..., inspected: _Optional[_Union[Inspected, _Mapping]] = ..., transferred: _Optional[_Union[Transferred, _Mapping]] = ..., code: _Optional[_Union[CodeNews, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("worker", "epoch", "python", "farcell", "names", "environment", "latest_log", "ended")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PYTHON_FIELD_NUMBER: _ClassVar[int]
    FARCELL_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    LATEST_LOG_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    worker: str
    epoch: int
    python: str
    farcell: str
    names: _containers.RepeatedScalarFieldContainer[str]
    environment: str
    latest_log: int
    ended: _containers.RepeatedCompositeFieldContainer[Done]
    def __init__(self, worker: _Optional[str] = ..., epoch: _Optional[int] = ..., python: _Optional[str] = ..., farcell: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., environment: _Optional[str] = ..., latest_log: _Optional[int] = ..., ended: _Optional[_Iterable[_Union[Done, _Mapping]]] = ...) -> None: ...

class Payload(_message.Message):
    __slots__ = ("pickles", "parts", "segment", "sizes", "hashes")
    PICKLES_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    pickles: _containers.RepeatedCompositeFieldContainer[Pickle]
    parts: _containers.RepeatedScalarFieldContainer[bytes]
    segment: int
    sizes: _containers.RepeatedScalarFieldContainer[int]
    hashes: bytes
    def __init__(self, pickles: _Optional[_Iterable[_Union[Pickle, _Mapping]]] = ..., parts: _Optional[_Iterable[bytes]] = ..., segment: _Optional[int] = ..., sizes: _Optional[_Iterable[int]] = ..., hashes: _Optional[bytes] = ...) -> None: ...

class Pickle(_message.Message):
    __slots__ = ("buffers", "name", "before", "changed", "living")
    BUFFERS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    LIVING_FIELD_NUMBER: _ClassVar[int]
    buffers: int
    name: str
    before: bytes
    changed: _containers.RepeatedScalarFieldContainer[int]
    living: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, buffers: _Optional[int] = ..., name: _Optional[str] = ..., before: _Optional[bytes] = ..., changed: _Optional[_Iterable[int]] = ..., living: _Optional[_Iterable[str]] = ...) -> None: ...

class Freed(_message.Message):
    __slots__ = ("segments",)
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    segments: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, segments: _Optional[_Iterable[int]] = ...) -> None: ...

class Execute(_message.Message):
    __slots__ = ("run", "epoch", "code", "header", "execution_count", "names", "ambient", "stdin_allowed", "forget", "filename", "modules", "parent")
    RUN_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    AMBIENT_FIELD_NUMBER: _ClassVar[int]
    STDIN_ALLOWED_FIELD_NUMBER: _ClassVar[int]
    FORGET_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    MODULES_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    run: str
    epoch: int
    code: str
    header: str
    execution_count: int
    names: Payload
    ambient: bytes
    stdin_allowed: bool
    forget: _containers.RepeatedScalarFieldContainer[str]
    filename: str
    modules: _containers.RepeatedScalarFieldContainer[str]
    parent: bytes
    def __init__(self, run: _Optional[str] = ..., epoch: _Optional[int] = ..., code: _Optional[str] = ..., header: _Optional[str] = ..., execution_count: _Optional[int] = ..., names: _Optional[_Union[Payload, _Mapping]] = ..., ambient: _Optional[bytes] = ..., stdin_allowed: bool = ..., forget: _Optional[_Iterable[str]] = ..., filename: _Optional[str] = ..., modules: _Optional[_Iterable[str]] = ..., parent: _Optional[bytes] = ...) -> None: ...

class InputReply(_message.Message):
    __slots__ = ("run", "text", "refused", "interrupted")
    RUN_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTED_FIELD_NUMBER: _ClassVar[int]
    run: str
    text: str
    refused: str
    interrupted: bool
    def __init__(self, run: _Optional[str] = ..., text: _Optional[str] = ..., refused: _Optional[str] = ..., interrupted: bool = ...) -> None: ...

class InputRequest(_message.Message):
    __slots__ = ("run", "prompt", "password")
    RUN_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    run: str
    prompt: str
    password: bool
    def __init__(self, run: _Optional[str] = ..., prompt: _Optional[str] = ..., password: bool = ...) -> None: ...

class LogPosition(_message.Message):
    __slots__ = ("out", "err", "events")
    OUT_FIELD_NUMBER: _ClassVar[int]
    ERR_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    out: int
    err: int
    events: int
    def __init__(self, out: _Optional[int] = ..., err: _Optional[int] = ..., events: _Optional[int] = ...) -> None: ...

class Done(_message.Message):
    __slots__ = ("run", "status", "position", "failure", "names", "deleted", "ambient", "payloads", "log", "log_unused", "lost_bytes", "loaded")
    RUN_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    AMBIENT_FIELD_NUMBER: _ClassVar[int]
    PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    LOG_UNUSED_FIELD_NUMBER: _ClassVar[int]
    LOST_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    run: str
    status: str
    position: LogPosition
    failure: Failure
    names: _containers.RepeatedCompositeFieldContainer[NameReport]
    deleted: _containers.RepeatedScalarFieldContainer[str]
    ambient: bytes
    payloads: bytes
    log: str
    log_unused: bool
    lost_bytes: int
    loaded: _containers.RepeatedCompositeFieldContainer[ModuleFile]
    def __init__(self, run: _Optional[str] = ..., status: _Optional[str] = ..., position: _Optional[_Union[LogPosition, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., names: _Optional[_Iterable[_Union[NameReport, _Mapping]]] = ..., deleted: _Optional[_Iterable[str]] = ..., ambient: _Optional[bytes] = ..., payloads: _Optional[bytes] = ..., log: _Optional[str] = ..., log_unused: bool = ..., lost_bytes: _Optional[int] = ..., loaded: _Optional[_Iterable[_Union[ModuleFile, _Mapping]]] = ...) -> None: ...

class NameReport(_message.Message):
    __slots__ = ("name", "type", "bound", "reads", "module", "alias_of")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    MODULE_FIELD_NUMBER: _ClassVar[int]
    ALIAS_OF_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    bound: bool
    reads: _containers.RepeatedScalarFieldContainer[str]
    module: str
    alias_of: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., bound: bool = ..., reads: _Optional[_Iterable[str]] = ..., module: _Optional[str] = ..., alias_of: _Optional[str] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("type_name", "message", "traceback", "pickled", "why_not_pickled")
    TYPE_NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TRACEBACK_FIELD_NUMBER: _ClassVar[int]
    PICKLED_FIELD_NUMBER: _ClassVar[int]
    WHY_NOT_PICKLED_FIELD_NUMBER: _ClassVar[int]
    type_name: str
    message: str
    traceback: _containers.RepeatedScalarFieldContainer[str]
    pickled: bytes
    why_not_pickled: str
    def __init__(self, type_name: _Optional[str] = ..., message: _Optional[str] = ..., traceback: _Optional[_Iterable[str]] = ..., pickled: _Optional[bytes] = ..., why_not_pickled: _Optional[str] = ...) -> None: ...

class Fetch(_message.Message):
    __slots__ = ("request", "names", "anew", "most_bytes")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    ANEW_FIELD_NUMBER: _ClassVar[int]
    MOST_BYTES_FIELD_NUMBER: _ClassVar[int]
    request: int
    names: _containers.RepeatedScalarFieldContainer[str]
    anew: bool
    most_bytes: int
    def __init__(self, request: _Optional[int] = ..., names: _Optional[_Iterable[str]] = ..., anew: bool = ..., most_bytes: _Optional[int] = ...) -> None: ...

class Fetched(_message.Message):
    __slots__ = ("request", "values", "missing", "types", "reprs", "unchanged", "unknown", "sizes", "too_large")
    class MissingEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class TypesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ReprsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class SizesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    REPRS_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    TOO_LARGE_FIELD_NUMBER: _ClassVar[int]
    request: int
    values: Payload
    missing: _containers.ScalarMap[str, str]
    types: _containers.ScalarMap[str, str]
    reprs: _containers.ScalarMap[str, str]
    unchanged: _containers.RepeatedScalarFieldContainer[str]
    unknown: _containers.RepeatedScalarFieldContainer[str]
    sizes: _containers.ScalarMap[str, int]
    too_large: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request: _Optional[int] = ..., values: _Optional[_Union[Payload, _Mapping]] = ..., missing: _Optional[_Mapping[str, str]] = ..., types: _Optional[_Mapping[str, str]] = ..., reprs: _Optional[_Mapping[str, str]] = ..., unchanged: _Optional[_Iterable[str]] = ..., unknown: _Optional[_Iterable[str]] = ..., sizes: _Optional[_Mapping[str, int]] = ..., too_large: _Optional[_Iterable[str]] = ...) -> None: ...

class Inspect(_message.Message):
    __slots__ = ("request", "kind", "text", "cursor")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    request: int
    kind: str
    text: str
    cursor: int
    def __init__(self, request: _Optional[int] = ..., kind: _Optional[str] = ..., text: _Optional[str] = ..., cursor: _Optional[int] = ...) -> None: ...

class Inspected(_message.Message):
    __slots__ = ("request", "json", "error")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    request: int
    json: bytes
    error: str
    def __init__(self, request: _Optional[int] = ..., json: _Optional[bytes] = ..., error: _Optional[str] = ...) -> None: ...

class Transfer(_message.Message):
    __slots__ = ("request", "id", "kind", "path", "name", "folder", "part")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    request: int
    id: str
    kind: str
    path: str
    name: str
    folder: bool
    part: FilePart
    def __init__(self, request: _Optional[int] = ..., id: _Optional[str] = ..., kind: _Optional[str] = ..., path: _Optional[str] = ..., name: _Optional[str] = ..., folder: bool = ..., part: _Optional[_Union[FilePart, _Mapping]] = ...) -> None: ...

class Transferred(_message.Message):
    __slots__ = ("request", "error", "hint", "path", "folder", "size_bytes", "part")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    request: int
    error: str
    hint: str
    path: str
    folder: bool
    size_bytes: int
    part: FilePart
    def __init__(self, request: _Optional[int] = ..., error: _Optional[str] = ..., hint: _Optional[str] = ..., path: _Optional[str] = ..., folder: bool = ..., size_bytes: _Optional[int] = ..., part: _Optional[_Union[FilePart, _Mapping]] = ...) -> None: ...

class FilePart(_message.Message):
    __slots__ = ("kind", "path", "mode", "data", "target")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    kind: str
    path: bytes
    mode: int
    data: bytes
    target: bytes
    def __init__(self, kind: _Optional[str] = ..., path: _Optional[bytes] = ..., mode: _Optional[int] = ..., data: _Optional[bytes] = ..., target: _Optional[bytes] = ...) -> None: ...

class CommMessage(_message.Message):
    __slots__ = ("kind", "comm_id", "content", "buffers", "run", "metadata", "parent")
    KIND_FIELD_NUMBER: _ClassVar[int]
    COMM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    BUFFERS_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    comm_id: str
    content: bytes
    buffers: _containers.RepeatedScalarFieldContainer[bytes]
    run: str
    metadata: bytes
    parent: bytes
    def __init__(self, kind: _Optional[str] = ..., comm_id: _Optional[str] = ..., content: _Optional[bytes] = ..., buffers: _Optional[_Iterable[bytes]] = ..., run: _Optional[str] = ..., metadata: _Optional[bytes] = ..., parent: _Optional[bytes] = ...) -> None: ...

class Code(_message.Message):
    __slots__ = ("kind", "round", "files", "step", "found")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    kind: str
    round: int
    files: _containers.RepeatedCompositeFieldContainer[ModuleFile]
    step: int
    found: Found
    def __init__(self, kind: _Optional[str] = ..., round: _Optional[int] = ..., files: _Optional[_Iterable[_Union[ModuleFile, _Mapping]]] = ..., step: _Optional[int] = ..., found: _Optional[_Union[Found, _Mapping]] = ...) -> None: ...

class CodeNews(_message.Message):
    __slots__ = ("kind", "round", "loaded", "changed", "notes", "fault", "step", "find")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    FIND_FIELD_NUMBER: _ClassVar[int]
    kind: str
    round: int
    loaded: _containers.RepeatedCompositeFieldContainer[ModuleFile]
    changed: _containers.RepeatedScalarFieldContainer[str]
    notes: _containers.RepeatedScalarFieldContainer[str]
    fault: CodeFault
    step: int
    find: Find
    def __init__(self, kind: _Optional[str] = ..., round: _Optional[int] = ..., loaded: _Optional[_Iterable[_Union[ModuleFile, _Mapping]]] = ..., changed: _Optional[_Iterable[str]] = ..., notes: _Optional[_Iterable[str]] = ..., fault: _Optional[_Union[CodeFault, _Mapping]] = ..., step: _Optional[int] = ..., find: _Optional[_Union[Find, _Mapping]] = ...) -> None: ...

class ModuleFile(_message.Message):
    __slots__ = ("module", "path", "source", "deleted", "digest")
    MODULE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    module: str
    path: str
    source: bytes
    deleted: bool
    digest: bytes
    def __init__(self, module: _Optional[str] = ..., path: _Optional[str] = ..., source: _Optional[bytes] = ..., deleted: bool = ..., digest: _Optional[bytes] = ...) -> None: ...

class CodeFault(_message.Message):
    __slots__ = ("message", "hint", "file", "line", "source_line")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LINE_FIELD_NUMBER: _ClassVar[int]
    message: str
    hint: str
    file: str
    line: int
    source_line: str
    def __init__(self, message: _Optional[str] = ..., hint: _Optional[str] = ..., file: _Optional[str] = ..., line: _Optional[int] = ..., source_line: _Optional[str] = ...) -> None: ...

class Find(_message.Message):
    __slots__ = ("request", "kind", "module", "path")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODULE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    request: int
    kind: str
    module: str
    path: str
    def __init__(self, request: _Optional[int] = ..., kind: _Optional[str] = ..., module: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class Found(_message.Message):
    __slots__ = ("request", "kind", "path", "data", "entries", "searched", "why")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    SEARCHED_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    request: int
    kind: str
    path: str
    data: bytes
    entries: _containers.RepeatedScalarFieldContainer[str]
    searched: _containers.RepeatedScalarFieldContainer[str]
    why: str
    def __init__(self, request: _Optional[int] = ..., kind: _Optional[str] = ..., path: _Optional[str] = ..., data: _Optional[bytes] = ..., entries: _Optional[_Iterable[str]] = ..., searched: _Optional[_Iterable[str]] = ..., why: _Optional[str] = ...) -> None: ...
