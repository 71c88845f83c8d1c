import { mount } from 'svelte'
import 'uplot/dist/uPlot.min.css'
import './styles/base.css'
import './styles/parts.css'
import './styles/views.css'
import App from './App.svelte'

mount(App, { target: document.getElementById('app') })
