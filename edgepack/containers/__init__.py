"""Files that run an app's images on boxes: Compose for one, Kubernetes for many. Text alone, no daemon."""
