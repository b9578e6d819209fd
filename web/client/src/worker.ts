// The worker: the peer, its store and its cryptography, away from the page's thread.

import { serve } from "./worker/server.ts";

serve();
