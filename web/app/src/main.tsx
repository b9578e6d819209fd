import { render } from "preact";
import { Page } from "./page.tsx";
import "./style.css";
import "./cards.css";

const root = document.getElementById("app");
if (root !== null) render(<Page />, root);
