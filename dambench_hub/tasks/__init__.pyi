from .task import Task as Task
from .task import load_task as load_task
from .task import task_names as task_names
